import { TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN } from '../../src/wire/tcp.js'
import { type Host, isIpv6, tcp } from './host.js'
import type { Timeline } from './timeline.js'

const CLIENT = 0
const SERVER = 1
type Side = typeof CLIENT | typeof SERVER

/** Maximum segment size 1460 or 1440, and window scaling by 7. */
const SYN_OPTIONS4 = Buffer.from('020405b401030307', 'hex')
const SYN_OPTIONS6 = Buffer.from('020405a001030307', 'hex')

/** A TCP connection told step by step, with sequence numbers that add up. */
export class TcpTalk {
  readonly #line: Timeline
  readonly #hosts: readonly [Host, Host]
  readonly #ports: readonly [number, number]
  readonly #next: [number, number]
  readonly #ids: [number, number]
  /** One way, microseconds. */
  readonly #delay: number
  /** The data segment last sent, to be sent again. */
  #last: Buffer | undefined

  constructor(
    line: Timeline,
    client: Host,
    server: Host,
    ports: readonly [client: number, server: number],
    delay = 6000,
  ) {
    this.#line = line
    this.#hosts = [client, server]
    this.#ports = ports
    this.#next = [line.random.next(), line.random.next()]
    this.#ids = [line.random.below(65_536), line.random.below(65_536)]
    this.#delay = delay
  }

  handshake(): this {
    this.#segment(CLIENT, TCP_SYN)
    this.#line.pass(2 * this.#delay)
    this.#segment(SERVER, TCP_SYN | TCP_ACK)
    this.#line.pass(120)
    this.#segment(CLIENT, TCP_ACK)
    this.#line.pass(300)
    return this
  }

  /** A SYN that nothing answers, sent again after one second and after two more. */
  unanswered(): this {
    for (const wait of [1_000_000, 2_000_000, 0]) {
      this.#segment(CLIENT, TCP_SYN, Buffer.alloc(0), true)
      this.#line.pass(wait)
    }
    return this
  }

  /** A SYN that is refused. */
  refused(): this {
    this.#segment(CLIENT, TCP_SYN)
    this.#line.pass(2 * this.#delay)
    this.#next[SERVER] = 0
    this.#segment(SERVER, TCP_RST | TCP_ACK)
    return this
  }

  ask(payload: Buffer): this {
    return this.#say(CLIENT, payload)
  }

  answer(payload: Buffer): this {
    return this.#say(SERVER, payload)
  }

  /** The last data segment again, as after a lost acknowledgment. */
  retransmit(): this {
    this.#line.pass(210_000)
    this.#line.add(this.#last!)
    this.#line.pass(150)
    return this
  }

  /** Nothing is said for a while. */
  pause(microseconds: number): this {
    this.#line.pass(microseconds)
    return this
  }

  /** The client closes, the server follows. */
  close(): this {
    this.#segment(CLIENT, TCP_FIN | TCP_ACK)
    this.#line.pass(2 * this.#delay)
    this.#segment(SERVER, TCP_FIN | TCP_ACK)
    this.#line.pass(100)
    this.#segment(CLIENT, TCP_ACK)
    return this
  }

  /** The server gives up in the middle. */
  reset(): this {
    this.#segment(SERVER, TCP_RST | TCP_ACK)
    return this
  }

  /** Data in segments that fit, each second one acknowledged, and the last. */
  #say(side: Side, payload: Buffer): this {
    const room = isIpv6(this.#hosts[side]) ? 1440 : 1460
    for (let at = 0, count = 1; at < payload.length; at += room, count++) {
      const isLast = at + room >= payload.length
      this.#segment(side, isLast ? TCP_PSH | TCP_ACK : TCP_ACK, payload.subarray(at, at + room))
      this.#line.pass(40)
      if (count % 2 === 0 || isLast) {
        this.#line.pass(side === CLIENT ? 2 * this.#delay : 80)
        this.#segment(side === CLIENT ? SERVER : CLIENT, TCP_ACK)
      }
    }
    this.#line.pass(2000)
    return this
  }

  #segment(side: Side, flags: number, payload: Buffer = Buffer.alloc(0), isAgain = false): void {
    const other: Side = side === CLIENT ? SERVER : CLIENT
    const isSyn = (flags & TCP_SYN) !== 0
    const options = isIpv6(this.#hosts[side]) ? SYN_OPTIONS6 : SYN_OPTIONS4
    const frame = tcp(this.#hosts[side], this.#hosts[other], {
      sport: this.#ports[side],
      dport: this.#ports[other],
      flags,
      seq: this.#next[side],
      ack: (flags & TCP_ACK) === 0 ? 0 : this.#next[other],
      window: isSyn ? 64_240 : (flags & TCP_RST) !== 0 ? 0 : 502,
      payload,
      id: this.#ids[side],
      ...(isSyn ? { tcpOptions: options } : {}),
    })
    this.#ids[side] = (this.#ids[side] + 1) & 0xffff
    // SYN and FIN take a place in the sequence of their own.
    const taken = payload.length + (isSyn || (flags & TCP_FIN) !== 0 ? 1 : 0)
    if (!isAgain) this.#next[side] = (this.#next[side] + taken) % 0x1_0000_0000
    if (payload.length > 0) this.#last = frame
    this.#line.add(frame)
  }
}
