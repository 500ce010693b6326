import { AddressNames } from '../application/address-names.js'
import { ApplicationReader } from '../application/application-reader.js'
import { joinedSinks } from '../application/application-sink.js'
import { SESSION_INDICES } from '../flow/flow-entry.js'
import { FlowTracker } from '../flow/flow-tracker.js'
import { Offline, type OfflineOptions } from '../offline/offline.js'
import type { CaptureOutcome, FileSummary } from '../pcap/capture-merge.js'
import type { ReadOptions } from '../pcap/reader.js'
import { ApplicationPackets } from '../session/application-packets.js'
import type { Ledger } from '../session/ledger.js'
import { parseIpv4, parseIpv6 } from '../wire/address.js'
import type { AnalysisReport, FileReport, Totals } from './analysis-report.js'
import { ApplicationFacts } from './application-facts.js'
import { Beacons } from './beacons.js'
import { BEACON_CONNECTIONS } from './behavior-findings.js'
import type { Behavior } from './behavior-report.js'
import { Distribution } from './distribution.js'
import { FileFacts } from './file-facts.js'
import { findingsOf } from './findings.js'
import { FlowTotals } from './flow-totals.js'
import { Span } from './span.js'
import { TcpCounts } from './tcp-counts.js'
import { TcpHealth } from './tcp-health.js'
import { Traffic } from './traffic.js'

export interface AnalysisOptions extends Omit<OfflineOptions, 'flows' | 'counter' | 'observe'> {
  /** Connections held at most; beyond, the least valuable are summed up early. */
  maxFlows: number
  /** Rows of each list of the heaviest, and what findings are made of. */
  top: number
  /** Rows of each list, where there are to be more than findings are made of. */
  rows?: number
  /** Whether addresses are to have names; by default they are. */
  names?: boolean
}

/** Services named whose connections failed. */
const FAILURES_SHOWN = 3

/** Names are those of all sessions together, as the sums of addresses are. */
const ALL_SESSIONS = 0

/**
 * Capture files summed up in one pass and bounded memory: a flow table with a
 * few words more for each TCP connection, histograms, a time series whose bins grow
 * wider, and the heaviest of everything else.
 *
 * `readAll` the files, then ask for the `report`, once.
 */
export class Analysis {
  readonly #offline: Offline
  readonly #tracker: FlowTracker
  readonly #traffic: Traffic
  readonly #flows: FlowTotals
  readonly #top: number
  readonly #rows: number
  readonly #names = new AddressNames()
  readonly #application = new ApplicationFacts()
  readonly #beacons = new Beacons()
  readonly #packets: ApplicationPackets
  readonly #files: { path: string; facts: FileFacts; summary: FileSummary }[] = []
  readonly #interArrival = new Distribution('ns')
  readonly #roundTrips = {
    handshake: new Distribution('ns'),
    synToSynAck: new Distribution('ns'),
    synAckToAck: new Distribution('ns'),
  }

  constructor(options: AnalysisOptions) {
    const { maxFlows, top, rows = top, names = true, ...offline } = options
    const sinks = names ? joinedSinks([this.#application, this.#names]) : this.#application
    const reader = new ApplicationReader(sinks)
    this.#packets = new ApplicationPackets(reader, offline.duplicates, () => ALL_SESSIONS)
    this.#top = top
    this.#rows = rows
    const tcp = new TcpHealth(maxFlows, this.#roundTrips)
    this.#tracker = new FlowTracker({
      capacity: maxFlows,
      sessions: SESSION_INDICES,
      onEnd: (flow) => this.#flows.end(flow),
    })
    this.#traffic = new Traffic({
      tracker: this.#tracker,
      tcp,
      beacons: this.#beacons,
    })
    this.#flows = new FlowTotals({
      tracker: this.#tracker,
      tcp,
      factsOf: (session) => this.#traffic.factsOf(session),
      top: rows,
    })
    this.#offline = new Offline({
      ...offline,
      counter: () => this.#traffic,
      observe: (session, packet, frame, fault, isCopy) => {
        this.#traffic.observe(session, packet, frame, fault)
        this.#packets.observe(session, packet, frame, fault, isCopy)
      },
    })
  }

  get ledger(): Ledger {
    return this.#offline.ledger
  }

  get clampedTimes(): number {
    return this.#offline.clampedTimes
  }

  /** Reads files in the order of time across them; as Offline.readAll. To be called once. */
  async readAll(
    paths: readonly string[],
    afterBlock?: ReadOptions['afterBlock'],
  ): Promise<CaptureOutcome[]> {
    const facts = paths.map(() => new FileFacts(this.#interArrival))
    const outcomes = await this.#offline.readAll(paths, afterBlock, (packet, file) =>
      facts[file]!.add(packet),
    )
    for (const [file, { path, summary }] of outcomes.entries()) {
      if (summary !== undefined) this.#files.push({ path, facts: facts[file]!, summary })
    }
    return outcomes
  }

  /** Ends all flows and sums up. Nothing may be read afterwards. */
  report(): AnalysisReport {
    this.#tracker.shutdown()
    this.#packets.end()
    const traffic = this.#traffic
    const files = this.#files.map(({ path, facts, summary }) => facts.report(path, summary))
    const sessions = traffic.sessions().map((session) => session.report())
    const tcp = new TcpCounts()
    for (const session of traffic.sessions()) tcp.add(session.tcp)
    const talkers = this.#flows.addresses.talkers(this.#rows)
    const conversations = this.#flows.addresses.conversations(this.#rows)
    const services = this.#flows.services.report(this.#rows)
    const flows = this.#flows.report()
    const report = {
      files,
      totals: this.#totals(files),
      sessions,
      protocols: traffic.protocols.report(),
      services: services.rows,
      unansweredPorts: services.unanswered,
      talkers,
      conversations,
      names: this.#namesOf([
        ...[...talkers.byBytes, ...talkers.byPackets].map(({ address }) => address),
        ...conversations.top.flatMap(({ a, b }) => [a, b]),
        ...conversations.matrix.addresses,
        ...[flows.topByBytes, flows.topByPackets, this.#flows.troubled]
          .concat(sessions.map(({ topFlows }) => topFlows))
          .flat()
          .flatMap(({ srcAddr, dstAddr }) => [srcAddr, dstAddr]),
      ]),
      flows,
      tcp: { ...tcp, worst: this.#flows.troubled } as AnalysisReport['tcp'],
      distributions: {
        frameSize: traffic.frameSize.report(),
        interArrival: this.#interArrival.report(),
        flowDuration: this.#flows.duration.report(),
        flowBytes: this.#flows.bytes.report(),
        flowPackets: this.#flows.packets.report(),
        handshake: this.#roundTrips.handshake.report(),
        synToSynAck: this.#roundTrips.synToSynAck.report(),
        synAckToAck: this.#roundTrips.synAckToAck.report(),
      },
      series: traffic.seriesReport(),
    }
    const { files: _, ...rest } = report
    return {
      version: 1,
      findings: findingsOf({ version: 1, ...report }, this.#behavior()),
      files,
      ...rest,
    }
  }

  #behavior(): Behavior {
    const { probes } = this.#flows
    const vniOf = (index: number) => this.#traffic.factsOf(index).session.vni
    const each = (index: number) => this.#traffic.factsOf(index).session.name ?? 'not mirrored'
    return {
      portScans: probes.portScans(this.#top),
      hostScans: probes.hostScans(this.#top),
      failures: probes.failures(FAILURES_SHOWN),
      floods: probes.floods(this.#top),
      oneWay: probes.oneWay().map((row) => ({
        ...row,
        name: each(row.session),
        vni: vniOf(row.session),
      })),
      splits: probes.splits.rows().map(({ sessions: [one, two], connections }) => ({
        names: [each(one), each(two)],
        vnis: [vniOf(one), vniOf(two)],
        connections,
      })),
      timeouts: this.#flows.timeouts.rows(this.#top),
      cleartext: this.#flows.services.cleartext(),
      beacons: this.#beacons.rows(BEACON_CONNECTIONS),
      application: this.#application.report(),
    }
  }

  #namesOf(addresses: readonly string[]): Record<string, string> {
    const named = [...new Set(addresses)].flatMap((address) => {
      const ipv4 = parseIpv4(address)
      const words = ipv4 === undefined ? parseIpv6(address) : [ipv4]
      const name = words && this.#names.ofAddress(ALL_SESSIONS, words)
      return name === undefined ? [] : [[address, name] as const]
    })
    return Object.fromEntries(named)
  }

  #totals(files: readonly FileReport[]): Totals {
    const span = new Span()
    for (const { facts } of this.#files) span.addSpan(facts.span)
    const { filtered, malformed, inDoubt, fragments } = this.ledger.report({
      kernelLost: 0,
      sessions: [],
    })
    const sessions = this.#traffic.sessions().map(({ session }) => session)
    const sum = (of: readonly number[]): number => of.reduce((total, each) => total + each, 0)
    return {
      files: files.length,
      packets: sum(files.map(({ packets }) => packets)),
      bytes: sum(files.map(({ bytes }) => bytes)),
      ...span.report(),
      filtered,
      mirrored: sum(sessions.map(({ vni, counters }) => (vni === null ? 0 : counters.received))),
      malformed,
      duplicates: sum(sessions.map(({ counters }) => counters.duplicates)),
      cut: sum(sessions.map(({ counters }) => counters.cut.total)),
      inDoubt,
      fragments,
    }
  }
}
