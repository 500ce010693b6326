import { type FlowSource, readFlowLine, readFlowSource } from '../flowlog/flow-line.js'
import {
  IPFIX_HEADER_LEN,
  IPFIX_SET_HEADER_LEN,
  IPFIX_TEMPLATES_LEN,
  IpfixFlow,
  ipfixRecordLen,
  ipfixTemplateOf,
  putIpfixFlow,
  putIpfixHeader,
  putIpfixSetHeader,
  putIpfixTemplates,
} from '../wire/ipfix.js'
import type { QueuedRecord } from './queued-records.js'

/** When templates are sent again; undefined: once is enough. */
export interface TemplateRefresh {
  readonly messages: number
  readonly milliseconds: number
}

/** What is kept of an observation domain: a worker, counted from 1. */
interface Domain {
  /** Data records so far. */
  sequence: number
  /** Messages and time since the templates were sent. */
  messages: number
  refreshedAt: number
}

/**
 * The messages of a transport session (RFC 7011 §10): of each observation domain the templates,
 * then the records, numbered. A message is as long as it may be and has records of one domain.
 */
export class IpfixMessages {
  readonly #lengthMax: number
  readonly #refresh: TemplateRefresh | undefined
  readonly #domains = new Map<number, Domain>()
  /** Records that are no flows: what a flow log says of a window, which IPFIX has no word for. */
  skipped = 0

  constructor(lengthMax: number, refresh?: TemplateRefresh) {
    this.#lengthMax = lengthMax
    this.#refresh = refresh
  }

  /** The messages of these records, in their order as far as the domains allow. */
  *of(records: readonly QueuedRecord[], nowMs: () => number): Generator<Buffer> {
    const byWorker = new Map<number, QueuedRecord[]>()
    // Those of a session come together, and have one text.
    const sources = new Map<string, FlowSource | undefined>()
    for (const record of records) {
      if (!sources.has(record.source)) sources.set(record.source, readFlowSource(record.source))
      const source = sources.get(record.source)
      if (source === undefined) {
        this.skipped++
        continue
      }
      const its = byWorker.get(source.worker)
      if (its === undefined) byWorker.set(source.worker, [record])
      else its.push(record)
    }
    for (const [worker, its] of byWorker) {
      yield* this.#ofDomain(worker + 1, its, sources, nowMs)
    }
  }

  *#ofDomain(
    id: number,
    records: readonly QueuedRecord[],
    sources: ReadonlyMap<string, FlowSource | undefined>,
    nowMs: () => number,
  ): Generator<Buffer> {
    const flow = new IpfixFlow()
    let message: Message | undefined
    for (const { source, line } of records) {
      flow.vni = sources.get(source)!.vni
      if (!readFlowLine(line, flow)) {
        this.skipped++
        continue
      }
      if (message?.add(flow) === true) continue
      if (message !== undefined) yield this.#finish(id, message, nowMs())
      message = this.#begin(id, nowMs())
      message.add(flow)
    }
    if (message !== undefined) yield this.#finish(id, message, nowMs())
  }

  #begin(id: number, now: number): Message {
    const domain = this.#domainOf(id)
    const refresh = this.#refresh
    const isDue =
      domain.refreshedAt === Number.NEGATIVE_INFINITY ||
      (refresh !== undefined &&
        (domain.messages >= refresh.messages || now - domain.refreshedAt >= refresh.milliseconds))
    if (isDue) {
      domain.messages = 0
      domain.refreshedAt = now
    }
    domain.messages++
    return new Message(this.#lengthMax, isDue)
  }

  #finish(id: number, message: Message, now: number): Buffer {
    const domain = this.#domainOf(id)
    const bytes = message.end(Math.floor(now / 1000), domain.sequence, id)
    domain.sequence = (domain.sequence + message.records) % 2 ** 32
    return bytes
  }

  #domainOf(id: number): Domain {
    let domain = this.#domains.get(id)
    if (domain === undefined) {
      domain = { sequence: 0, messages: 0, refreshedAt: Number.NEGATIVE_INFINITY }
      this.#domains.set(id, domain)
    }
    return domain
  }
}

/** One message that is being filled. */
class Message {
  readonly #bytes: Buffer
  #at = IPFIX_HEADER_LEN
  /** The set being filled: where it begins, and its template; 0: none. */
  #setAt = 0
  #template = 0
  records = 0

  /** At least the templates and a record fit into `lengthMax` bytes. */
  constructor(lengthMax: number, withTemplates: boolean) {
    this.#bytes = Buffer.alloc(lengthMax)
    if (!withTemplates) return
    putIpfixTemplates(this.#bytes, this.#at)
    this.#at += IPFIX_TEMPLATES_LEN
  }

  /** False: it does not fit. */
  add(flow: IpfixFlow): boolean {
    const template = ipfixTemplateOf(flow)
    const isSameSet = template === this.#template
    const needed = ipfixRecordLen(template) + (isSameSet ? 0 : IPFIX_SET_HEADER_LEN)
    if (this.#at + needed > this.#bytes.length) return false
    if (!isSameSet) {
      this.#endSet()
      this.#setAt = this.#at
      this.#template = template
      this.#at += IPFIX_SET_HEADER_LEN
    }
    putIpfixFlow(this.#bytes, this.#at, flow)
    this.#at += ipfixRecordLen(template)
    this.records++
    return true
  }

  end(exportTime: number, sequence: number, domain: number): Buffer {
    this.#endSet()
    putIpfixHeader(this.#bytes, 0, this.#at, exportTime, sequence, domain)
    return this.#bytes.subarray(0, this.#at)
  }

  #endSet(): void {
    if (this.#template === 0) return
    putIpfixSetHeader(this.#bytes, this.#setAt, this.#template, this.#at - this.#setAt)
  }
}
