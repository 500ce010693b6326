import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { adviceOn, OperatorError } from '../errors.js'
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
  const advice = adviceOn(error, 'receive', { host, port, addresses: ownAddresses() })
  return advice === undefined ? error : new OperatorError(advice, { cause: error })
}

function ownAddresses(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.map(({ address }) => address).join(', ')
}
