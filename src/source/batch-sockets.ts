import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { getSystemErrorName } from 'node:util'
import { EAGAIN, EINTR, type Libc, MSG_DONTWAIT } from '../sys/libc.js'
import { socketAddress } from '../sys/socket-address.js'
import { BatchErrors } from './batch-errors.js'
import { BatchQueue } from './batch-queue.js'
import { bindFrom, FIRST_PORT, localHostTo, openSocket } from './batch-socket.js'
import { OUTER_SOCKETS, type OuterSockets } from './outer-sockets.js'
import { printOf } from './sent-memory.js'

const SEND_BUFFER_BYTES = 4 << 20
/**
 * Datagrams queued over all sockets before they leave: so far apart may those of different
 * flows be when they change places. Without that bound, with full batches for each socket,
 * a datagram would cost a tenth less.
 */
const BATCH_LEN = 64
/** This many datagrams, half a millisecond or more, and signals and timers have their turn. */
const TURN_LEN = 512
/** How long to wait when the socket is full; the network takes 4 MiB in less at 40 Gbit/s. */
const FULL_PAUSE_MS = 1
/** A socket that takes nothing for so long is stuck: what waits for it is given up. */
const STUCK_MS = 1000

/** For tests: what is fixed otherwise. */
export interface BatchSocketsParts {
  stuckMs?: number
  sendBufferBytes?: number
}

/**
 * Sends datagrams to one target in batches, with sendmmsg(2): Linux on x64 or arm64, with
 * koffi. Every datagram goes without UDP checksum, with TTL 255 and without DF, as AWS's do.
 *
 * A batch leaves when there are 64 datagrams, and at the latest when whoever sends gives way
 * to the event loop or asks whether all is `settled`. Datagrams of one `flow` keep their
 * order. The sockets are not connected, so route and source address follow the host's
 * when these change; that costs 0.1 µs of 1.1 µs a datagram.
 *
 * What the host or the network says against a datagram is counted by its name: EMSGSIZE
 * (more than 65,507 bytes), ENOBUFS (the interface's queue is full), ENETUNREACH (no route),
 * EAGAIN (the socket was full for a second), and ECONNREFUSED, EHOSTUNREACH … where ICMP
 * comes back about one that had left, which is then no longer counted as sent. A datagram
 * longer than the MTU of the path is sent in fragments.
 *
 * Why sixteen sockets (200 bytes, a virtual cable, 2 virtual CPUs): a datagram costs 1.55 µs
 * of CPU one by one, 1.07 in batches of 64 spread over 16 sockets, 0.97 with 64 for each of
 * them, and 64 sockets no less than 16. A raw socket, which might give each datagram of a
 * batch a source port of its own, costs 1.13 and needs CAP_NET_RAW.
 */
export class BatchSockets implements OuterSockets {
  sent = 0
  octets = 0
  readonly notSent = new Map<string, number>()
  readonly lost: number[] = []
  readonly ports: readonly number[]
  readonly target: { readonly host: string; readonly port: number }
  readonly localHost: string
  readonly #libc: Libc
  readonly #queues: readonly BatchQueue[]
  readonly #errors: BatchErrors
  readonly #stuckMs: number
  readonly #flush = (): void => {
    this.#scheduled = false
    if (!this.#closed) this.#flushAll()
  }
  #memory: Buffer | undefined
  #memoryHigh = 0
  #memoryLow = 0
  #queued = 0
  #sinceTurn = 0
  #scheduled = false
  #closed = false
  /** While somebody waits for a full socket. */
  #making: Promise<void> | undefined

  /** `host` is an IP address. Throws what the kernel answered when there is no way to it. */
  constructor(libc: Libc, host: string, port: number, parts: BatchSocketsParts = {}) {
    this.#libc = libc
    this.#stuckMs = parts.stuckMs ?? STUCK_MS
    this.target = { host, port }
    const to = socketAddress(libc, host, port)
    this.localHost = localHostTo(libc, to)
    const queues: BatchQueue[] = []
    const ports: number[] = []
    try {
      let next = FIRST_PORT
      for (let index = 0; index < OUTER_SOCKETS; index++) {
        const fd = openSocket(libc, to, parts.sendBufferBytes ?? SEND_BUFFER_BYTES)
        queues.push(new BatchQueue(libc, fd, to))
        const bound = bindFrom(libc, fd, to.family, next)
        ports.push(bound)
        next = bound >= next ? bound + 1 : next
      }
    } catch (error) {
      for (const { fd } of queues) libc.close(fd)
      throw error
    }
    this.#queues = queues
    this.ports = ports
    const fds = queues.map(({ fd }) => fd)
    this.#errors = new BatchErrors(libc, fds, (errno, index, print) => {
      if (this.sent > 0) this.sent--
      this.#countFailure(errno, queues[index]!.memory.recall(print))
    })
  }

  send(bytes: Buffer, start: number, end: number, flow: number, tag: number): void {
    if (bytes !== this.#memory) this.#pointAt(bytes)
    const queue = this.#queues[flow % OUTER_SOCKETS]!
    // Whoever does not ask for room first loses what is not there.
    if (queue.isFull && !this.#flushQueue(queue)) {
      this.#countFailure(EAGAIN, tag)
      return
    }
    queue.label(tag, printOf(bytes, start, end))
    queue.push(this.#memoryHigh, this.#memoryLow, start, end - start)
    this.#queued++
    this.#sinceTurn++
    if (this.#queued >= BATCH_LEN) this.#flushAll()
    else if (!this.#scheduled) {
      this.#scheduled = true
      queueMicrotask(this.#flush)
    }
  }

  room(): Promise<void> | undefined {
    if (this.#making !== undefined) return this.#making
    // Every socket whose queue is full could not be emptied.
    for (const queue of this.#queues) if (queue.isFull) return this.#makeRoom()
    if (this.#sinceTurn < TURN_LEN) return undefined
    this.#sinceTurn = 0
    return nextTurn()
  }

  settled(): Promise<void> | undefined {
    if (this.#queued > 0) this.#flushAll()
    if (this.#queued > 0) return this.#makeRoom()
    this.#errors.takeAll()
    return undefined
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const { fd } of this.#queues) this.#libc.close(fd)
  }

  #pointAt(bytes: Buffer): void {
    const address = this.#libc.addressOf(bytes)
    this.#memory = bytes
    this.#memoryHigh = Number(address >> 32n)
    this.#memoryLow = Number(address & 0xffff_ffffn)
  }

  /** Waits until every queue is empty. What a socket does not take for STUCK_MS is given up. */
  #makeRoom(): Promise<void> {
    this.#making ??= this.#untilEmpty().finally(() => {
      this.#making = undefined
    })
    return this.#making
  }

  async #untilEmpty(): Promise<void> {
    let left = this.#queued
    let since = performance.now()
    for (;;) {
      await sleep(FULL_PAUSE_MS)
      if (this.#closed) return
      this.#flushAll()
      if (this.#queued === 0) break
      if (this.#queued < left) {
        left = this.#queued
        since = performance.now()
      } else if (performance.now() - since >= this.#stuckMs) {
        for (const queue of this.#queues) this.#giveUp(queue)
      }
    }
    this.#errors.takeAll()
  }

  #flushAll(): void {
    for (const queue of this.#queues) if (queue.count > 0) this.#flushQueue(queue)
  }

  /** Sends what is queued. False when the socket is full, and the rest still waits. */
  #flushQueue(queue: BatchQueue): boolean {
    const libc = this.#libc
    while (!queue.isEmpty) {
      const asked = queue.count - queue.done
      const taken = libc.sendmmsg(queue.fd, queue.messages, asked, MSG_DONTWAIT)
      if (taken > 0) {
        this.#countSent(queue, taken)
        continue
      }
      const errno = libc.errno()
      if (errno === EAGAIN) return false
      // An error that came back is about another datagram: this one has not been tried.
      if (errno === EINTR || this.#errors.take(this.#queues.indexOf(queue)) > 0) continue
      this.#countFailure(errno, queue.tagOf(queue.done))
      this.#passOver(queue, 1)
    }
    return true
  }

  #countSent(queue: BatchQueue, taken: number): void {
    for (let at = queue.done; at < queue.done + taken; at++) {
      this.octets += queue.lengthOf(at)
      queue.memory.remember(queue.printOf(at), queue.tagOf(at))
    }
    this.sent += taken
    this.#passOver(queue, taken)
  }

  #giveUp(queue: BatchQueue): void {
    for (let at = queue.done; at < queue.count; at++) this.#countFailure(EAGAIN, queue.tagOf(at))
    this.#passOver(queue, queue.count - queue.done)
  }

  #passOver(queue: BatchQueue, datagrams: number): void {
    this.#queued -= datagrams
    queue.done += datagrams
    if (queue.isEmpty) queue.clear()
  }

  #countFailure(errno: number, tag: number | undefined): void {
    if (tag !== undefined) this.lost.push(tag)
    const code = getSystemErrorName(-errno)
    this.notSent.set(code, (this.notSent.get(code) ?? 0) + 1)
  }
}
