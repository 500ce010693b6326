import { OperatorError } from '../errors.js'
import type { CaptureOutcome, FileSummary } from '../pcap/capture-merge.js'
import type { Damage } from '../pcap/reader.js'
import { isReadableLinkType, linkTypeName } from '../wire/link-type.js'

/** What was wrong with files that were read, each in one line. Everything readable in them has been used. */
export function readingProblems(
  outcomes: readonly CaptureOutcome[],
  /** Packets whose link type is not known. */
  unreadable: number,
): OperatorError[] {
  const problems = outcomes.flatMap(problemsOf)
  if (unreadable > 0) problems.push(linkTypeProblem(outcomes, unreadable))
  return problems
}

function problemsOf({ path, summary, error, isLate }: CaptureOutcome): OperatorError[] {
  const problems: OperatorError[] = []
  if (error !== undefined) problems.push(error)
  if (isLate) {
    problems.push(
      new OperatorError(
        `${path}: overlaps in time with too many others and was read late; merge some (mergecap)`,
      ),
    )
  }
  if (summary === undefined) return problems
  problems.push(...timeProblems(path, summary).map((line) => new OperatorError(line)))
  if (summary.damage !== undefined) {
    const line = damageProblem(path, summary.damage)
    problems.push(new OperatorError(line, { code: 'ERR_CAPTURE_DAMAGED' }))
  }
  return problems
}

/** What is wrong with times of a file, if anything is. */
export function timeProblems(path: string, { outOfRangeTimes }: FileSummary): string[] {
  if (outOfRangeTimes === 0) return []
  const name = path === '-' ? 'standard input' : path
  const packets =
    outOfRangeTimes === 1 ? '1 packet has a time' : `${outOfRangeTimes} packets have times`
  return [`${name}: ${packets} before 1970 or after the year 586000; taken without a time`]
}

/** Everything before the damage has been used. */
export function damageProblem(name: string, { offset, message }: Damage): string {
  return `${name}: damaged at octet ${offset}: ${message}; all before it was used`
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
      `${[...types].map(linkTypeName).join(', ')} were left out; ` +
      'Ethernet, raw IP, PPP, NULL, LOOP, Linux SLL and SLL2 can be read',
    { code: 'ERR_CAPTURE_FORMAT' },
  )
}
