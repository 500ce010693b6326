import { type Command, Option } from 'commander'
import { OperatorError } from '../errors.js'
import type { CaptureSummary } from '../pcap/reader.js'
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
 * Reads every file, in the order given. Resolves with lines on what could not be
 * read, each of which makes the exit code 1 once all that could has been put out.
 * Rejects when there is nothing to put out: no file could be read at all.
 */
export async function readFiles(
  offline: Offline,
  files: readonly string[],
  afterBlock: () => boolean | Promise<void> = () => true,
): Promise<string[]> {
  const problems: string[] = []
  const progress = new Progress(files)
  let readable = 0
  for (const file of files) {
    const before = offline.ledger.malformed['link-type']
    let summary: CaptureSummary
    try {
      summary = await offline.read(file, (octets) => {
        progress.show(octets)
        return afterBlock()
      })
      readable++
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error
      problems.push(error.message)
      continue
    } finally {
      progress.fileDone()
    }
    const unreadable = offline.ledger.malformed['link-type'] - before
    problems.push(...problemsOf(file, summary, unreadable))
  }
  progress.done()
  if (readable === 0) failWith(problems)
  return problems
}

function problemsOf(file: string, summary: CaptureSummary, unreadable: number): string[] {
  const problems: string[] = []
  if (unreadable > 0) {
    const types = new Set(summary.interfaces.map(({ linkType }) => linkType))
    const names = [...types].filter((type) => !isReadableLinkType(type)).map(linkTypeName)
    problems.push(
      `${file}: ${unreadable} packets of link type ${names.join(', ')} were left out; ` +
        'Ethernet, raw IP, NULL, LOOP, Linux SLL and SLL2 can be read',
    )
  }
  if (summary.damage !== undefined) {
    const { offset, message } = summary.damage
    problems.push(`${file}: damaged at octet ${offset}: ${message}; all before it was used`)
  }
  return problems
}

/** Says what was wrong, once everything readable has been put out; exit code 1. */
export function failWith(problems: readonly string[]): void {
  const last = problems.at(-1)
  if (last === undefined) return
  for (const line of problems.slice(0, -1)) process.stderr.write(`mirrortap: ${line}\n`)
  throw new OperatorError(last)
}
