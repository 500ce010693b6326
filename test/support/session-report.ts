import type { SessionReport } from '../../src/session/ledger.js'

/** A session as the ledger reports it, which has seen nothing but what is said. */
export function sessionReport(
  of: Partial<SessionReport> & Pick<SessionReport, 'session'>,
): SessionReport {
  return {
    vni: 1,
    source: '10.0.0.1',
    received: 0,
    accepted: 0,
    captured: 0,
    captureLost: 0,
    flowPackets: 0,
    untracked: 0,
    malformed: 0,
    filtered: 0,
    unknownDirection: 0,
    ingressPackets: 0,
    ingressBytes: 0,
    egressPackets: 0,
    egressBytes: 0,
    duplicates: 0,
    cut: 0,
    cutCauses: {},
    packetLength: null,
    outerPorts: 0,
    macAddress: null,
    bytes: 0,
    ...of,
  }
}
