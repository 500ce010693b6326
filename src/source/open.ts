import { lookup } from 'node:dns/promises'
import { OperatorError } from '../errors.js'
import { type Libc, loadLibc } from '../sys/libc.js'
import type { OuterSockets } from './outer-sockets.js'

/** `auto` is `batches` where that works. */
export type SendHow = 'auto' | 'batches' | 'singly'

const PURPOSE = { what: 'sending in batches', code: 'ERR_FAILED' } as const

/** Rejects with an OperatorError when the name is unknown or there is no way to the target. */
export async function openOuterSockets(
  host: string,
  port: number,
  how: SendHow = 'auto',
): Promise<OuterSockets> {
  const target = await lookup(host).catch((cause: NodeJS.ErrnoException) => {
    throw new OperatorError(
      `cannot resolve ${host} (${cause.code}); give an address or a name that this machine knows`,
      { cause },
    )
  })
  const libc = how === 'singly' ? undefined : libcFor(how)
  try {
    if (libc === undefined) {
      const { DgramSockets } = await import('./dgram-sockets.js')
      return await DgramSockets.open(target.address, port)
    }
    const { BatchSockets } = await import('./batch-sockets.js')
    return new BatchSockets(libc, target.address, port)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new OperatorError(
      `cannot send to ${host} port ${port} (${code ?? message}); check the address and the routes to it`,
      { cause: error },
    )
  }
}

function libcFor(how: 'auto' | 'batches'): Libc | undefined {
  try {
    return loadLibc(PURPOSE)
  } catch (error) {
    if (how === 'auto' && error instanceof OperatorError) return undefined
    throw error
  }
}
