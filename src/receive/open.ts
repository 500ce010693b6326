import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { OperatorError } from '../errors.js'
import { loadLibc } from '../sys/libc.js'
import type { OpenReceiver, Receiver, ReceiverName, ReceiverOptions } from './receiver.js'

/** Loaded when first used. */
const OPENERS: Record<ReceiverName, () => Promise<OpenReceiver>> = {
  recvmmsg: async () => (await import('./recvmmsg.js')).openRecvmmsg,
  dgram: async () => (await import('./dgram.js')).openDgram,
}

export const RECEIVERS = Object.keys(OPENERS) as readonly ReceiverName[]

export type ReceiverChoice = 'auto' | ReceiverName

/** What `auto` comes to here: recvmmsg where it works, else dgram. */
export function chooseReceiver(choice: ReceiverChoice): ReceiverName {
  if (choice !== 'auto') return choice
  try {
    loadLibc()
    return 'recvmmsg'
  } catch (error) {
    if (error instanceof OperatorError) return 'dgram'
    throw error
  }
}

/** Binds, and begins to hand over in a later turn of the event loop. Throws OperatorError in one line. */
export async function openReceiver(
  choice: ReceiverChoice,
  options: ReceiverOptions,
): Promise<Receiver> {
  if (isIP(options.host) === 0) {
    throw new OperatorError(
      `"${options.host}" is not an IP address: give one of this host's, 0.0.0.0 or ::`,
    )
  }
  const open = await OPENERS[chooseReceiver(choice)]()
  try {
    return await open(options)
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, options)
  }
}

/** Puts what the kernel said into what the operator can do. */
function explain(error: NodeJS.ErrnoException, { host, port }: ReceiverOptions): Error {
  if (error instanceof OperatorError) return error
  const advice = ADVICE[error.code ?? '']
  if (advice === undefined) return error
  return new OperatorError(advice(host, port), { cause: error })
}

const ADVICE: Readonly<Record<string, (host: string, port: number) => string>> = {
  EADDRINUSE: (host, port) =>
    `UDP port ${port} of ${host} is taken: stop who has it ("ss -ulpn sport = :${port}"; a VXLAN interface of the kernel's shows no process), or give another port`,
  EACCES: (_host, port) =>
    `no permission to bind UDP port ${port}: run as root or with CAP_NET_BIND_SERVICE, or give a port from 1024 up`,
  EADDRNOTAVAIL: (host) =>
    `${host} is not an address of this host: give one of ${ownAddresses()}, 0.0.0.0 or ::`,
  EAFNOSUPPORT: (host) => `this host does not speak the protocol of ${host}: give 0.0.0.0`,
  EMFILE: () => 'no file descriptor is left for the socket: raise the limit ("ulimit -n")',
}

function ownAddresses(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.map(({ address }) => address).join(', ')
}
