import { OperatorError } from '../errors.js'
import type { CaptureOutcome, FileSummary } from '../pcap/capture-merge.js'
import type { Damage } from '../pcap/reader.js'
import { isReadableLinkType, shortLinkTypeName } from '../wire/link-type.js'

/** What was wrong with files that were read, each in one line. Everything readable in them has been used. */
export function readingProblems(
  outcomes: readonly CaptureOutcome[],
  /** Packets whose link type is not known. */
  unreadable: number,
  /** Packets that flows have at another time than their own. */
  clampedTimes: number,
): OperatorError[] {
  const problems = outcomes.flatMap(problemsOf)
  if (clampedTimes > 0) {
    problems.push(
      new OperatorError(
        `${packetsWithTimes(clampedTimes)} after 2097 and too far from the first such time; ` +
          'flows and records have the nearest that can be kept',
      ),
    )
  }
  if (unreadable > 0) problems.push(linkTypeProblem(outcomes, unreadable))
  return problems
}

function problemsOf({ path, summary, error }: CaptureOutcome): OperatorError[] {
  const problems: OperatorError[] = []
  if (error !== undefined) problems.push(error)
  if (summary === undefined) return problems
  problems.push(...timeProblems(path, summary).map((line) => new OperatorError(line)))
  if (summary.damage !== undefined) {
    const line = damageProblem(path, summary.damage)
    problems.push(new OperatorError(line, { code: 'ERR_CAPTURE_DAMAGED' }))
  }
  return problems
}

/** A note on times that are as the files have them, but that hardly anybody means. */
export function farTimesNote(outcomes: readonly CaptureOutcome[]): string | undefined {
  const files = outcomes.filter(({ summary }) => (summary?.farTimes ?? 0) > 0)
  const [first] = files
  if (first === undefined) return undefined
  const packets = files.reduce((sum, { summary }) => sum + summary!.farTimes, 0)
  const name = first.path === '-' ? 'standard input' : first.path
  const others = files.length === 1 ? '' : ` and others (${files.length} files)`
  return `${name}${others}: ${packetsWithTimes(packets)} after the year 9999; taken as the file says`
}

function packetsWithTimes(packets: number): string {
  return packets === 1 ? '1 packet has a time' : `${packets} packets have times`
}

/** What is wrong with times of a file, if anything is. */
export function timeProblems(path: string, { outOfRangeTimes }: FileSummary): string[] {
  if (outOfRangeTimes === 0) return []
  const name = path === '-' ? 'standard input' : path
  const packets = packetsWithTimes(outOfRangeTimes)
  return [`${name}: ${packets} before 1970 or after the year 586000; taken without a time`]
}

/** Everything before the damage has been used. */
export function damageProblem(name: string, { offset, message }: Damage): string {
  return `${name}: damaged at byte ${offset}: ${message}; all before it was used`
}

function linkTypeProblem(outcomes: readonly CaptureOutcome[], packets: number): OperatorError {
  const types = new Set<number>()
  const paths = new Set<string>()
  for (const { path, summary } of outcomes) {
    for (const linkType of summary?.linkTypes ?? []) {
      if (isReadableLinkType(linkType)) continue
      types.add(linkType)
      paths.add(path)
    }
  }
  return new OperatorError(
    `${[...paths].join(', ')}: ${packets} packets of link type ` +
      `${[...types].map(shortLinkTypeName).join(', ')} were left out; ` +
      'Ethernet, raw IP, PPP, Cisco HDLC, NULL, LOOP, Linux SLL and SLL2 can be read',
    { code: 'ERR_CAPTURE_FORMAT' },
  )
}
