import { SESSION_INDICES } from '../../flow/flow-entry.js'
import { FlowTracker } from '../../flow/flow-tracker.js'
import { Session, vniInName } from '../../session/session.js'
import { parseAddress } from '../../wire/address.js'
import { Frame } from '../../wire/frame.js'
import type { Packet } from '../../wire/packet.js'
import { parseFrame } from '../../wire/parse-frame.js'
import { printRows } from '../flows/listing.js'
import { WantedRows } from '../flows/wanted-rows.js'

/** Packets between two times that flows are looked through. */
const PACKETS_A_TURN = 4096
/** Index 0 is that of packets that were not mirrored. */
const SESSIONS_MAX = SESSION_INDICES - 1

/** The flows of packets that were found, as `flows` has them of whole captures. */
export class FoundFlows {
  readonly #rows = new WantedRows({ minimumFlowAgeInSeconds: 0 }, [])
  readonly #tracker: FlowTracker
  readonly #sessions = new Map<string | null, Session>()
  readonly #frame = new Frame()
  #packets = 0
  #untold = 0
  #lastSeconds = 0
  #lastNanoseconds = 0

  /** `capacity`: connections held at a time; the oldest go first, and are shown all the same. */
  constructor(capacity: number) {
    this.#tracker = new FlowTracker({
      capacity,
      sessions: SESSION_INDICES,
      onEnd: (flow) => this.#rows.addEnded(this.#tracker, flow),
    })
  }

  /** What could not be listed; a line each. */
  get problems(): string[] {
    if (this.#untold === 0) return []
    return [
      `${this.#untold} packets are in no flow: they are of more sessions than ${SESSIONS_MAX}`,
    ]
  }

  add(packet: Packet, name: string | null): void {
    const { bytes, start, end, linkType, originalLength, seconds, nanoseconds, timed } = packet
    const frame = this.#frame
    const session = this.#sessionOf(name)
    if (session === undefined) {
      this.#untold++
      return
    }
    const fault = parseFrame(bytes, start, end, linkType, originalLength, frame)
    if (fault !== undefined || frame.ipVersion === 0) return
    if (name !== null) session.identity.observe(frame)
    this.#tracker.enqueue(frame, session.index, seconds, nanoseconds, timed)
    if (++this.#packets % PACKETS_A_TURN === 0) this.#work()
    const isLater = seconds === this.#lastSeconds && nanoseconds > this.#lastNanoseconds
    if (!isLater && seconds <= this.#lastSeconds) return
    this.#lastSeconds = seconds
    this.#lastNanoseconds = nanoseconds
  }

  /** Ages are those at the last packet. */
  async print(json: boolean): Promise<void> {
    this.#work()
    this.#tracker.shutdown()
    const at = { seconds: this.#lastSeconds, nanoseconds: this.#lastNanoseconds }
    await printRows(this.#rows.sorted(at), {
      sessions: [...this.#sessions.values()],
      names: undefined,
      options: json ? { json } : {},
      at,
    })
  }

  #work(): void {
    while (this.#tracker.work(Number.MAX_SAFE_INTEGER));
  }

  #sessionOf(name: string | null): Session | undefined {
    let session = this.#sessions.get(name)
    if (session === undefined && this.#sessions.size < SESSIONS_MAX) {
      session = sessionNamed(name, name === null ? 0 : this.#sessions.size + 1)
      this.#sessions.set(name, session)
    }
    return session
  }
}

/** The session that a name is of; what the name does not say of it is not known. */
function sessionNamed(name: string | null, index: number): Session {
  if (name === null) return new Session(index, null, null)
  const vni = vniInName(name)
  if (vni === undefined)
    return new Session(index, null, null, { id: name, networkInterface: undefined })
  return new Session(index, vni, parseAddress(name.slice(name.indexOf('_') + 1)) ?? null)
}
