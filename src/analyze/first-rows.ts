import type { AnalysisReport } from './analysis-report.js'

/** The report with so many rows of each list of the heaviest, and the names of what is in them. */
export function firstRows(report: AnalysisReport, top: number): AnalysisReport {
  const first = <Row>(rows: readonly Row[]): Row[] => rows.slice(0, top)
  const { talkers, conversations, flows, tcp, names, sessions } = report
  const byBytes = first(talkers.byBytes)
  const byPackets = first(talkers.byPackets)
  const pairs = first(conversations.top)
  const lists = [first(flows.topByBytes), first(flows.topByPackets), first(tcp.worst)]
  const shown = new Set([
    ...[...byBytes, ...byPackets].map(({ address }) => address),
    ...pairs.flatMap(({ a, b }) => [a, b]),
    ...conversations.matrix.addresses,
    ...[...lists, ...sessions.map(({ topFlows }) => topFlows)]
      .flat()
      .flatMap(({ srcAddr, dstAddr }) => [srcAddr, dstAddr]),
  ])
  return {
    ...report,
    services: first(report.services),
    talkers: { ...talkers, byBytes, byPackets },
    conversations: { ...conversations, top: pairs },
    names: Object.fromEntries(Object.entries(names).filter(([address]) => shown.has(address))),
    flows: { ...flows, topByBytes: lists[0]!, topByPackets: lists[1]! },
    tcp: { ...tcp, worst: first(tcp.worst) },
  }
}
