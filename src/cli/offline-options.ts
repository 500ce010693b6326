import { type Command, Option } from 'commander'
import { OperatorError } from '../errors.js'
import type { CaptureOutcome } from '../pcap/capture-merge.js'
import type { DuplicateMode } from '../session/duplicates.js'
import type { Offline } from '../session/offline.js'
import { isReadableLinkType, linkTypeName } from '../wire/link-type.js'
import { collectVnis, integerBetween } from './options.js'
import { Progress } from './progress.js'

/** What the commands that read capture files share. */
export interface OfflineCliOptions {
  decap: 'auto' | 'none'
  vxlanPort: number
  genevePort: number
  vni?: number[]
  /** Of the commands that count flows. */
  duplicates?: DuplicateMode
}

const parseUdpPort = integerBetween(1, 65_535)

export function addOfflineOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--decap <how>', 'take one mirror layer (VXLAN, GENEVE) off, or none')
        .choices(['auto', 'none'])
        .default('auto'),
    )
    .option('--vni <number...>', 'these VXLAN network identifiers only', collectVnis)
    .option('--vxlan-port <number>', 'UDP port of VXLAN', parseUdpPort, 4789)
    .option('--geneve-port <number>', 'UDP port of GENEVE', parseUdpPort, 6081)
}

/** The options as the offline pipeline takes them. */
export function offlineOptions(options: OfflineCliOptions) {
  const { decap, vxlanPort, genevePort, vni, duplicates } = options
  return {
    ...(duplicates && { duplicates }),
    decap,
    vxlanPort,
    genevePort,
    ...(vni && { vnis: new Set(vni) }),
  }
}

/**
 * Reads every file, in the order of time across them. Resolves with lines on what
 * could not be read, each of which makes the exit code 1 once all that could has
 * been put out. Rejects when there is nothing to put out: no file could be read at
 * all.
 */
export async function readFiles(
  offline: Pick<Offline, 'ledger' | 'readAll'>,
  files: readonly string[],
  afterBlock: () => boolean | Promise<boolean> = () => true,
  mayShowProgress = true,
): Promise<string[]> {
  const progress = new Progress(files, mayShowProgress)
  const reading = offline.readAll(files, (octets) => {
    progress.show(octets)
    return afterBlock()
  })
  const outcomes = await reading.finally(() => progress.done())
  const problems = outcomes.flatMap(problemsOf)
  const unreadable = offline.ledger.malformed['link-type']
  if (unreadable > 0) problems.push(linkTypeProblem(outcomes, unreadable))
  if (outcomes.every(({ summary }) => summary === undefined)) failWith(problems)
  return problems
}

function problemsOf({ path, summary, error, isLate }: CaptureOutcome): string[] {
  const problems: string[] = []
  if (error !== undefined) problems.push(error.message)
  if (isLate) {
    problems.push(
      `${path}: overlaps in time with too many others and was read late; merge some (mergecap)`,
    )
  }
  if (summary?.damage !== undefined) {
    const { offset, message } = summary.damage
    problems.push(`${path}: damaged at octet ${offset}: ${message}; all before it was used`)
  }
  return problems
}

function linkTypeProblem(outcomes: readonly CaptureOutcome[], packets: number): string {
  const types = new Set<number>()
  const paths = new Set<string>()
  for (const { path, summary } of outcomes) {
    for (const { linkType } of summary?.interfaces ?? []) {
      if (isReadableLinkType(linkType)) continue
      types.add(linkType)
      paths.add(path)
    }
  }
  return (
    `${[...paths].join(', ')}: ${packets} packets of link type ` +
    `${[...types].map(linkTypeName).join(', ')} were left out; ` +
    'Ethernet, raw IP, NULL, LOOP, Linux SLL and SLL2 can be read'
  )
}

/** Says what was wrong, once everything readable has been put out; exit code 1. */
export function failWith(problems: readonly string[]): void {
  const last = problems.at(-1)
  if (last === undefined) return
  for (const line of problems.slice(0, -1)) process.stderr.write(`mirrortap: ${line}\n`)
  throw new OperatorError(last)
}
