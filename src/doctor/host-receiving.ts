import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { OperatorError } from '../errors.js'
import { openReceiver } from '../receive/open.js'
import type { ReceiverName } from '../receive/receiver.js'
import { type Finding, ok } from './finding.js'

/** How long a receiving thread may be kept from reading: a busy host, a collection of garbage. */
const STALL_SECONDS = 0.1
/** What the kernel counts for a datagram of up to 1500 bytes. */
const KERNEL_BYTES = 4200
/** On loopback a datagram is there at once. */
const ARRIVES_MS = 2000

/** The receive buffer, as asked for, that holds what comes in a stall; the kernel doubles it. */
export function bufferFor(packetsPerSecond: number): number {
  return Math.ceil((packetsPerSecond * STALL_SECONDS * KERNEL_BYTES) / 2)
}

/** Which receiver works here, shown by a datagram, and whether its buffer is enough. */
export async function checkReceiving(
  packetsPerSecond: number,
  receiveBufferBytes: number,
): Promise<Finding[]> {
  let refusal = ''
  for (const name of ['recvmmsg', 'dgram'] as const) {
    try {
      const granted = await tryOut(name, receiveBufferBytes)
      return [receiver(name, refusal), buffer(granted, packetsPerSecond, receiveBufferBytes)]
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error
      refusal = error.message
    }
  }
  return [{ check: 'receiver', level: 'problem', what: refusal, why: 'nothing can be received' }]
}

/** Receives one datagram; answers with the buffer granted, as it is asked for. */
async function tryOut(name: ReceiverName, receiveBufferBytes: number): Promise<number> {
  let received = 0
  const receiver = await openReceiver(name, {
    host: '127.0.0.1',
    port: 0,
    receiveBufferBytes,
    reusePort: false,
    onDatagram: () => received++,
    onError: () => undefined,
  })
  const socket = createSocket('udp4')
  try {
    socket.connect(receiver.address.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.send('mirrortap doctor')
    const until = performance.now() + ARRIVES_MS
    while (received === 0 && performance.now() < until) await delay(5)
    if (received === 0) throw new OperatorError(`${name} received nothing on loopback`)
    return receiver.receiveBufferBytes / 2
  } finally {
    socket.close()
    await receiver.close()
  }
}

function receiver(name: ReceiverName, refusal: string): Finding {
  if (name === 'recvmmsg') return ok('receiver', 'recvmmsg works')
  return {
    check: 'receiver',
    level: 'warning',
    what: `recvmmsg does not work: ${refusal}`,
    why: "Node's own sockets take several times the processor, and lose packets from 200,000 a second on",
    fix: 'npm install koffi',
  }
}

function buffer(granted: number, packetsPerSecond: number, asked: number): Finding {
  const needed = bufferFor(packetsPerSecond)
  const rate = `${packetsPerSecond} packets a second`
  if (granted >= needed) {
    return ok('buffer', `the receive buffer granted, ${granted} bytes, is enough for ${rate}`)
  }
  const want = Math.max(needed, asked)
  const isAsked = asked >= needed
  return {
    check: 'buffer',
    level: 'warning',
    what: `the receive buffer granted is ${granted} bytes; ${rate} need ${needed}`,
    why: `while the receiver is held up for ${STALL_SECONDS * 1000} ms, the kernel drops what does not fit`,
    fix: `sysctl -w net.core.rmem_max=${want}${isAsked ? '' : `, and listen --receive-buffer ${needed}`}`,
  }
}
