import type { Lifetime, StateSeconds } from '../../src/flow/lifetime.js'
import { connectionText, directionOf, type FlowName, flowText } from './flow-frames.js'
import type { TimedPacket } from './traffic.js'

/** A record of one flow and window in plain data; `reason` is left out where it depends on when work was done. */
export interface PlainRecord {
  flow: string
  windowStart: number
  windowEnd: number
  startSeconds: number
  endSeconds: number
  packets: number
  bytes: number
  vpcTcpFlags: number
  reason: string
}

/** One line a record, for comparing and for people. */
export function recordText(record: PlainRecord, withReason: boolean): string {
  const { flow, windowStart, windowEnd, startSeconds, endSeconds, packets, bytes } = record
  const span = `window ${windowStart}-${windowEnd} time ${startSeconds}-${endSeconds}`
  const counts = `${packets} packets ${bytes} bytes flags ${record.vpcTcpFlags}`
  return `${flow} ${span} ${counts}${withReason ? ` ${record.reason}` : ''}`
}

interface Life {
  state: 'new' | 'established' | 'closing' | 'closed'
  reset: boolean
  spoke: Set<number>
  finished: Set<number>
  /** Second of the latest packet by time, of either direction. */
  lastSeen: number
  /** Start of the window its packets are counted in. */
  windowStart: number
  /** Records of the window at hand, by direction. */
  records: Map<number, PlainRecord>
  /** What each side has sent, by direction. */
  sides: [Side, Side]
  /** Another connection had these ports before, and what is late of it may still come. */
  hasFormer: boolean
}

interface Side {
  packets: number
  bytes: number
  /** The lowest number that the stream is known to have, behind its SYN. */
  first: number | undefined
}

const TCP = { protocol: 6 }
/** Sequence numbers begin again behind this many. */
const NUMBERS = 2 ** 32

const FIN = 0x01
const SYN = 0x02
const RST = 0x04
const ACK = 0x10

/**
 * The flow tracker's rules with objects, strings and a Map: which records a
 * stream of packets makes when nothing is ever evicted.
 *
 * Reasons are those of a run that works at each second, one second behind the
 * packets: a window that has ended by then leaves as `window`.
 */
export class PlainFlows {
  readonly records: PlainRecord[] = []
  readonly #lives = new Map<string, Life>()
  /** Those whose ports another has by now, until they are idle. */
  readonly #aside = new Map<string, Life>()
  readonly #lifetime: Lifetime | undefined
  readonly #windowSeconds: number
  /** Second of the latest packet of all flows. */
  #clock = 0

  constructor(lifetime: Lifetime | undefined, windowSeconds: number) {
    this.#lifetime = lifetime
    this.#windowSeconds = windowSeconds
  }

  track(packet: TimedPacket): void {
    const { name, seconds, tcpFlags, ipLength } = packet
    this.#clock = Math.max(this.#clock, seconds)
    const key = connectionText(name)
    let life = this.#lives.get(key)
    if (life !== undefined && this.#lifetime !== undefined) {
      const deadline = life.lastSeen + this.#timeout(name, life)
      if (seconds > deadline) {
        this.#end(life, deadline + 1)
        life = undefined
      } else if (name.protocol === 6) {
        life = this.#ofPorts(key, life, packet)
      }
    }
    if (life === undefined) {
      life = this.#begin(seconds)
      this.#lives.set(key, life)
    }
    if (life.windowStart !== this.#windowOf(seconds)) {
      // Time may go back into a window that has been left: it has another record then.
      this.#report(life)
      life.windowStart = this.#windowOf(seconds)
    }
    this.#add(life, name, seconds, tcpFlags, ipLength)
    noteNumbers(life, packet)
    life.lastSeen = Math.max(life.lastSeen, seconds)
    enterState(life, name, tcpFlags)
  }

  /** The clock goes on to `seconds`, then everything ends. */
  shutdown(seconds: number): void {
    for (const [key, life] of [...this.#lives, ...this.#aside]) {
      const deadline =
        this.#lifetime === undefined
          ? Number.POSITIVE_INFINITY
          : life.lastSeen + this.#timeout(keyProtocol(key), life)
      if (deadline < seconds) this.#end(life, deadline + 1)
      else this.#end(life, seconds + 1, 'shutdown')
    }
    this.#lives.clear()
  }

  /** The life that a segment belongs to, of the two that may have used its ports. */
  #ofPorts(key: string, life: Life, packet: TimedPacket): Life {
    const { seconds, tcpFlags, sequence } = packet
    const aside = this.#aside.get(key)
    const isPast = aside !== undefined && seconds > aside.lastSeen + this.#timeout(TCP, aside)
    const former = life.hasFormer && !isPast ? aside : undefined
    if ((tcpFlags & (SYN | ACK | RST)) !== SYN) {
      return former !== undefined && isOf(former, packet) && !isOf(life, packet) ? former : life
    }
    const side = directionOf(packet.name)
    const begins = ({ sides }: Life) => sides[side].first === (sequence + 1) % NUMBERS
    if (begins(life)) return life
    if (former !== undefined && begins(former)) return former
    const isTriedAgain = life.state === 'new'
    const isUnknown = life.state !== 'closed' && life.sides[side].first === undefined
    if (isTriedAgain || isUnknown) return life
    this.#setAside(key, life, seconds)
    const next = { ...this.#begin(seconds), hasFormer: true }
    this.#lives.set(key, next)
    return next
  }

  /** From now on it is idle as soon as a closed connection is. */
  #setAside(key: string, life: Life, seconds: number): void {
    const before = this.#aside.get(key)
    if (before !== undefined) {
      const deadline = before.lastSeen + this.#timeout(TCP, before)
      this.#end(before, Math.min(this.#clock, deadline + 1))
    }
    const closed = this.#timeout(TCP, { state: 'closed' })
    life.lastSeen = Math.min(life.lastSeen, seconds + closed - this.#timeout(TCP, life))
    this.#aside.set(key, life)
  }

  #begin(seconds: number): Life {
    return {
      state: 'new',
      reset: false,
      spoke: new Set(),
      finished: new Set(),
      lastSeen: seconds,
      windowStart: this.#windowOf(seconds),
      records: new Map(),
      sides: [
        { packets: 0, bytes: 0, first: undefined },
        { packets: 0, bytes: 0, first: undefined },
      ],
      hasFormer: false,
    }
  }

  #add(life: Life, name: FlowName, seconds: number, tcpFlags: number, ipLength: number): void {
    const direction = directionOf(name)
    const { windowStart } = life
    let record = life.records.get(direction)
    if (record === undefined) {
      record = {
        flow: flowText(name),
        windowStart,
        windowEnd: windowStart + this.#windowSeconds,
        startSeconds: seconds,
        endSeconds: seconds,
        packets: 0,
        bytes: 0,
        vpcTcpFlags: 0,
        reason: '',
      }
      life.records.set(direction, record)
    }
    record.startSeconds = Math.min(record.startSeconds, seconds)
    record.endSeconds = Math.max(record.endSeconds, seconds)
    record.packets++
    record.bytes += ipLength
    record.vpcTcpFlags |= tcpFlags & (FIN | SYN | RST)
    if ((tcpFlags & SYN) !== 0) record.vpcTcpFlags |= tcpFlags & ACK
  }

  /** The life goes into another window. */
  #report(life: Life): void {
    for (const record of life.records.values()) {
      record.reason = 'window'
      this.records.push(record)
    }
    life.records.clear()
  }

  /** `at`: the second in which the end is noticed; a window over before that has been reported. */
  #end(life: Life, at: number, reason?: string): void {
    const ofLife = life.state !== 'closed' ? 'idle' : life.reset ? 'reset' : 'closed'
    for (const record of life.records.values()) {
      record.reason = record.windowEnd < at ? 'window' : (reason ?? ofLife)
      this.records.push(record)
    }
    life.records.clear()
  }

  #windowOf(seconds: number): number {
    return Math.floor(seconds / this.#windowSeconds) * this.#windowSeconds
  }

  #timeout({ protocol }: Pick<FlowName, 'protocol'>, { state }: Pick<Life, 'state'>): number {
    const lifetime = this.#lifetime!
    const of: StateSeconds =
      protocol === 6
        ? lifetime.tcp
        : protocol === 17
          ? lifetime.udp
          : protocol === 1 || protocol === 58
            ? lifetime.icmp
            : lifetime.other
    return of[state] ?? of.established
  }
}

function keyProtocol(key: string): { protocol: number } {
  return { protocol: Number(/protocol (\d+)/.exec(key)![1]) }
}

/** Whether some number of a segment is in what a connection is known to have sent, or 65,535 behind it, and none elsewhere. */
function isOf(life: Life, { name, tcpFlags, sequence, acknowledgment }: TimedPacket): boolean {
  const mine = directionOf(name)
  const hasAck = (tcpFlags & ACK) !== 0
  const numbers: [Side, number][] = []
  // What refuses a SYN has no number of its own.
  const isRefusal = (tcpFlags & RST) !== 0 && hasAck && sequence === 0
  if (tcpFlags !== 0 && !isRefusal) numbers.push([life.sides[mine], sequence])
  if (hasAck) numbers.push([life.sides[mine === 0 ? 1 : 0], acknowledgment])
  const told = numbers.filter(([side]) => side.first !== undefined)
  return (
    told.length > 0 &&
    told.every(([{ first, bytes }, number]) => {
      // The SYN stands one before the first.
      const distance = (number - (first! - 1) + 2 * NUMBERS) % NUMBERS
      return distance <= bytes + 65_535
    })
  )
}

/** Counts a segment for its side, and learns from the first three of each. */
function noteNumbers(life: Life, packet: TimedPacket): void {
  const { name, tcpFlags, sequence, acknowledgment, ipLength } = packet
  const direction = directionOf(name)
  const mine = life.sides[direction]
  const theirs = life.sides[direction === 0 ? 1 : 0]
  mine.packets++
  mine.bytes += ipLength
  if (mine.packets > 3 || tcpFlags === 0) return
  const isSyn = (tcpFlags & SYN) !== 0
  const learn = (side: Side, number: number) => {
    const behind = (number - (side.first ?? 0) + NUMBERS) % NUMBERS
    if (isSyn || side.first === undefined || behind >= NUMBERS / 2) side.first = number
  }
  if ((tcpFlags & RST) === 0) learn(mine, (sequence + (isSyn ? 1 : 0)) % NUMBERS)
  if ((tcpFlags & ACK) !== 0) learn(theirs, acknowledgment)
}

function enterState(life: Life, name: FlowName, flags: number): void {
  const direction = directionOf(name)
  if (life.state === 'closed') return
  if (name.protocol !== 6) {
    life.spoke.add(direction)
    if (life.spoke.size === 2) life.state = 'established'
  } else if ((flags & RST) !== 0) {
    life.state = 'closed'
    life.reset = true
  } else if ((flags & FIN) !== 0) {
    life.finished.add(direction)
    life.state = life.finished.size === 2 ? 'closed' : 'closing'
  } else if (life.state === 'new' && (flags & (SYN | ACK)) === ACK) {
    life.state = 'established'
  }
}
