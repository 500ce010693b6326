import type { ReceiverName } from '../../receive/receiver.js'

/** What was bound. */
export interface Bound {
  readonly receiver: ReceiverName
  readonly port: number
  readonly genevePort: number | undefined
  /** As the kernel counts. */
  readonly receiveBufferBytes: number
}

/** What to say once datagrams are received: where, with what, `how` after it, and what the kernel did not grant. */
export function formatListening(
  { receiver, port, genevePort, receiveBufferBytes }: Bound,
  asked: { bind: string; receiveBuffer: number },
  how = '',
): string[] {
  const geneve = genevePort === undefined ? '' : ` and port ${genevePort} (GENEVE)`
  const lines = [`listening on ${asked.bind} port ${port} (VXLAN)${geneve}, ${receiver}${how}`]
  // The kernel doubles what it is asked for, and says so when it is asked back.
  const granted = receiveBufferBytes / 2
  if (granted < asked.receiveBuffer) {
    lines.push(
      `the kernel grants a receive buffer of ${granted} bytes in place of ${asked.receiveBuffer}: ` +
        `run as root, or set "sysctl -w net.core.rmem_max=${asked.receiveBuffer}"`,
    )
  }
  return lines
}
