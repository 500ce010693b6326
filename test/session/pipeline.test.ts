import { describe, expect, test } from 'vitest'
import { rowsOf } from '../../src/flow/flow-row.js'
import { FlowTracker } from '../../src/flow/flow-tracker.js'
import { RuleSet } from '../../src/mirror/rule-set.js'
import { InterfaceIdentity } from '../../src/session/interface-identity.js'
import { Ledger } from '../../src/session/ledger.js'
import { Pipeline, type PipelineOptions } from '../../src/session/pipeline.js'
import { Session, type SessionCapture } from '../../src/session/session.js'
import { parseAddress } from '../../src/wire/address.js'
import type { Frame } from '../../src/wire/frame.js'
import type { Packet } from '../../src/wire/packet.js'
import { filterOf } from '../mirror/verdicts.js'
import { ethernet, fragments4, tcp4, udp4 } from '../support/frames.js'
import { packetOf } from './datagrams.js'

const LINKTYPE_RAW = 101
const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 53 }

interface Written {
  frame: Buffer
  originalLength: number
  linkType: number | undefined
  options: Buffer | undefined
}

/** A session's capture that keeps copies, and refuses while `isFull`. */
class KeptCapture implements SessionCapture {
  readonly written: Written[] = []
  isFull = false

  write(
    { bytes, start, linkType }: Packet,
    kept: number,
    originalLength: number,
    options: Buffer | undefined,
  ): boolean {
    if (this.isFull) return false
    const frame = Buffer.from(bytes.subarray(start, start + kept))
    this.written.push({ frame, originalLength, linkType, options })
    return true
  }

  tick(): void {}

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** An identity that counts the frames it is shown. */
class CountedIdentity extends InterfaceIdentity {
  observed = 0

  override observe(frame: Frame): void {
    this.observed++
    super.observe(frame)
  }
}

class Run {
  readonly ledger = new Ledger()
  readonly tracker: FlowTracker
  readonly pipeline: Pipeline
  readonly mirrored = new Session(1, 7, parseAddress(ENDS.src)!)
  readonly plain = new Session(0, null, null)

  constructor(options: Partial<PipelineOptions> & { capacity?: number } = {}) {
    const { capacity = 16, ...rest } = options
    this.tracker = new FlowTracker({ capacity, sessions: 4 })
    this.pipeline = new Pipeline({ ledger: this.ledger, tracker: this.tracker, ...rest })
  }

  get sums() {
    const { accepted, malformedTotal, duplicate } = this.ledger
    return { accepted, malformed: malformedTotal, duplicate }
  }
}

describe('Pipeline', () => {
  test('captures, understands and counts a frame', () => {
    const capture = new KeptCapture()
    const run = new Run({ openCapture: () => capture })
    const frame = ethernet(udp4({ ...ENDS, payload: Buffer.alloc(20) }))
    run.pipeline.accept(run.mirrored, packetOf(frame))
    expect(run.sums).toEqual({ accepted: 1, malformed: 0, duplicate: 0 })
    expect(run.mirrored.report()).toMatchObject({
      received: 1,
      accepted: 1,
      captured: 1,
      flowPackets: 1,
      untracked: 0,
      bytes: frame.length,
    })
    run.tracker.countQueued()
    expect(run.tracker.table.count).toBe(1)
    expect(capture.written).toEqual([
      { frame, originalLength: frame.length, linkType: 1, options: undefined },
    ])
  })

  test('captures what it does not understand, and counts it by its fault', () => {
    const capture = new KeptCapture()
    const run = new Run({ openCapture: () => capture })
    run.pipeline.accept(run.mirrored, packetOf(ethernet(Buffer.alloc(10, 0x45))))
    run.pipeline.accept(run.mirrored, packetOf(Buffer.alloc(3)))
    expect(run.sums).toEqual({ accepted: 0, malformed: 2, duplicate: 0 })
    expect(run.ledger.malformed['ipv4-truncated']).toBe(1)
    expect(capture.written).toHaveLength(2)
    const counts = { received: 2, accepted: 0, malformed: 2, captured: 2, flowPackets: 0 }
    expect(run.mirrored.report()).toMatchObject(counts)
  })

  test('accepts what carries no IP, and counts it into no flow', () => {
    const run = new Run()
    const arp = ethernet(Buffer.alloc(46), { type: 0x0806 })
    run.pipeline.accept(run.mirrored, packetOf(arp))
    expect(run.mirrored.report()).toMatchObject({ accepted: 1, flowPackets: 0, untracked: 1 })
    expect(run.tracker.table.count).toBe(0)
  })

  test('counts into no flow where there is no table, or no room in it', () => {
    const ledger = new Ledger()
    const session = new Session(1, 7, null)
    new Pipeline({ ledger }).accept(session, packetOf(ethernet(udp4(ENDS))))
    expect(session.report()).toMatchObject({ accepted: 1, flowPackets: 0, untracked: 1 })

    const run = new Run({ capacity: 0 })
    run.pipeline.accept(run.mirrored, packetOf(ethernet(udp4(ENDS))))
    expect(run.mirrored.report()).toMatchObject({ accepted: 1, flowPackets: 0, untracked: 1 })
  })

  test('counts a fragment that waits for its first as one in a flow: it will be', () => {
    const run = new Run()
    const [, later] = fragments4(udp4({ ...ENDS, payload: Buffer.alloc(2000) }), 1500)
    run.pipeline.accept(run.mirrored, packetOf(ethernet(later!)))
    expect(run.tracker.fragments.waiting).toBe(1)
    expect(run.mirrored.report()).toMatchObject({ flowPackets: 1, untracked: 0 })
  })

  test('asks for a capture once a session, at its first packet, whatever the answer', () => {
    const asked: [Session, number][] = []
    const capture = new KeptCapture()
    const run = new Run({
      openCapture: (session, linkType) => {
        asked.push([session, linkType])
        return session.vni === null ? undefined : capture
      },
    })
    const packet = udp4(ENDS)
    for (let round = 0; round < 3; round++) {
      run.pipeline.accept(run.mirrored, packetOf(ethernet(packet)))
      run.pipeline.accept(run.plain, packetOf(packet, LINKTYPE_RAW))
    }
    expect(asked).toEqual([
      [run.mirrored, 1],
      [run.plain, LINKTYPE_RAW],
    ])
    expect(capture.written).toHaveLength(3)
    expect(run.plain.report()).toMatchObject({ captured: 0, captureLost: 0, flowPackets: 3 })
  })

  test('counts what its capture had no room for, and goes on', () => {
    const capture = new KeptCapture()
    const run = new Run({ openCapture: () => capture })
    const packet = packetOf(ethernet(udp4(ENDS)))
    run.pipeline.accept(run.mirrored, packet)
    capture.isFull = true
    run.pipeline.accept(run.mirrored, packet)
    capture.isFull = false
    run.pipeline.accept(run.mirrored, packet)
    expect(run.mirrored.report()).toMatchObject({ captured: 2, captureLost: 1, flowPackets: 3 })
  })

  test('gives a mirrored frame the length its IP header promises, and a file its own', () => {
    const capture = new KeptCapture()
    const run = new Run({ openCapture: () => capture })
    const whole = ethernet(udp4({ ...ENDS, payload: Buffer.alloc(500) }))
    // Cut to 100 bytes by the mirror; the file has 60 of those.
    for (const session of [run.mirrored, run.plain]) {
      run.pipeline.accept(session, packetOf(whole.subarray(0, 100), 1, 40))
    }
    expect(capture.written.map(({ originalLength }) => originalLength)).toEqual([whole.length, 100])
    expect(run.mirrored.report()).toMatchObject({ cut: 1, bytes: whole.length })
  })

  test('captures what the packet length of the session leaves, and counts the whole', () => {
    const capture = new KeptCapture()
    const run = new Run({ openCapture: () => capture })
    const frame = ethernet(udp4({ ...ENDS, payload: Buffer.alloc(500) }))
    run.pipeline.accept(run.mirrored, packetOf(frame))
    for (const length of [100, frame.length, 1]) {
      run.mirrored.packetLength = length
      const packet = packetOf(frame)
      const lent = { ...packet }
      run.pipeline.accept(run.mirrored, packet)
      expect({ ...packet }).toEqual(lent)
    }
    expect(capture.written.map((written) => written.frame)).toEqual(
      [frame.length, 100, frame.length, 1].map((length) => frame.subarray(0, length)),
    )
    expect(capture.written.every((written) => written.originalLength === frame.length)).toBe(true)
    expect(run.mirrored.report()).toMatchObject({ cut: 0, bytes: 4 * frame.length })
  })

  test('tells the direction of mirrored flows, and of no others', () => {
    const run = new Run()
    const packet = packetOf(ethernet(tcp4(ENDS)))
    run.pipeline.accept(run.mirrored, packet)
    run.pipeline.accept(run.plain, packet)
    run.tracker.countQueued()
    const directions = [0, 1].map((flow) => rowsOf(run.tracker, flow)[0]!.direction)
    expect(directions).toEqual(['egress', undefined])
    expect(run.mirrored.identity.primaryConfirmed).toBe(true)
  })

  test('judges once which way a frame ran, for rules and flows, and not where nothing asks', () => {
    const identity = new CountedIdentity(parseAddress(ENDS.src)!)
    const packet = packetOf(ethernet(tcp4(ENDS)))
    const run = new Run()
    Object.assign(run.mirrored, { identity })
    run.mirrored.rules = new RuleSet(filterOf(['out 1 accept 6 0.0.0.0/0 > 0.0.0.0/0']))
    run.pipeline.accept(run.mirrored, packet)
    expect(run.mirrored.report()).toMatchObject({ flowPackets: 1, unknownDirection: 0 })
    expect(identity.observed).toBe(1)
    const capturing = new Pipeline({ ledger: new Ledger(), openCapture: () => new KeptCapture() })
    run.mirrored.rules = undefined
    capturing.accept(run.mirrored, packet)
    expect(run.mirrored.report().captured).toBe(1)
    expect(identity.observed).toBe(1)
  })
})
