import { Analysis } from '../analyze/analysis.js'
import type { Finding as AnalysisFinding, FindingKind } from '../analyze/analysis-report.js'
import { readCapture } from '../pcap/reader.js'
import { GENEVE_PORT } from '../wire/geneve.js'
import { type Finding, ok } from './finding.js'
import { OuterPorts } from './outer-ports.js'

const MAX_FLOWS = 262_144

/** Of what `analyze` finds, what has to do with mirroring. */
const ADVICE: Partial<Record<FindingKind, { readonly why: string; readonly fix: string }>> = {
  damage: {
    why: 'what follows the damage cannot be read',
    fix: 'capture again, and stop the capture with SIGINT',
  },
  loss: {
    why: 'mirror traffic is dropped first when the source instance is busy, or the receiver was',
    fix: 'look at NetworkPacketsSkipMirrorOut of the source instance in CloudWatch, and at kernelLost of mirrortap',
  },
  cut: {
    why: 'captures lack the ends of frames; flow logs count them in full',
    fix: 'leave out PacketLength of the session, or raise the MTU of target and load balancer: aws ec2 modify-traffic-mirror-session --remove-fields packet-length',
  },
  duplicates: {
    why: 'both ends are mirrored, and each packet is counted twice',
    fix: 'mirrortap listen --duplicates drop',
  },
}

/** What a capture of mirrored packets tells about how they are mirrored. */
export async function checkCapture(path: string, vxlanPort: number): Promise<Finding[]> {
  const ports = new OuterPorts(vxlanPort)
  await readCapture(path, (packet) => ports.take(packet))
  const analysis = new Analysis({
    maxFlows: MAX_FLOWS,
    top: 1,
    decap: 'auto',
    vxlanPort,
    genevePort: GENEVE_PORT,
  })
  await analysis.readAll([path])
  const { findings } = analysis.report()
  const told = findings.flatMap((finding) => adviceOn(finding))
  const isCut = told.some(({ check }) => check === 'cut')
  return [...ports.findings(), ...(isCut ? [] : [ok('cut', 'no frame is cut')]), ...told]
}

function adviceOn({ kind, level, text }: AnalysisFinding): Finding[] {
  const advice = ADVICE[kind]
  if (advice === undefined) return []
  return [
    { check: kind, level: level === 'problem' ? 'problem' : 'warning', what: text, ...advice },
  ]
}
