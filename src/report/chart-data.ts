import type { AnalysisReport, SeriesLine } from '../analyze/analysis-report.js'
import type { Bucket, DistributionReport } from '../analyze/distribution.js'
import { formatNanoseconds, formatOctets } from '../analyze/quantities.js'

/** Lines of a chart, beside one for all others: as many as there are colours that can be told apart. */
const LINES_MAX = 7

/** Of lines that are shown only when they are asked for. */
const MORE_CHARACTERS = 200_000

type Period = AnalysisReport['series']['periods'][number]

/** What the scripts of the page draw. */
interface ChartData {
  /** Null where no packet has a time. Lines have the bins of all periods, one after the other. */
  time: {
    periods: { start: number; binSeconds: number; bins: number }[]
    sessions: SeriesLine[]
    /** Of sessions that are among the others, as far as there is room. */
    more: SeriesLine[]
    protocols: SeriesLine[]
  } | null
  /** By the name that a chart's element carries. */
  distributions: Record<string, { what: string; labels: string[]; counts: number[] }>
}

export function chartData(report: AnalysisReport): ChartData {
  const { series, distributions } = report
  const shown: [name: string, what: string, DistributionReport][] = [
    ['flowDuration', 'flows', distributions.flowDuration],
    ['flowBytes', 'flows', distributions.flowBytes],
    ['frameSize', 'frames', distributions.frameSize],
    ['interArrival', 'packets', distributions.interArrival],
    ['handshake', 'handshakes', distributions.handshake],
  ]
  return {
    time:
      series.start === null ? null : timeOf(series.periods.length > 0 ? series.periods : [series]),
    distributions: Object.fromEntries(
      shown
        .filter(([, , { count }]) => count > 0)
        .map(([name, what, { unit, buckets }]) => {
          const bars = withoutVoid(buckets)
          return [
            name,
            {
              what,
              labels: bars.map((bucket) => bucketText(bucket, unit)),
              counts: bars.map(({ count }) => count),
            },
          ]
        }),
    ),
  }
}

function timeOf(periods: readonly Period[]): ChartData['time'] {
  const sessions = joined(periods, ({ sessions }) => sessions)
  return {
    periods: periods.map(({ start, binSeconds, bins }) => ({
      start: Number(start),
      binSeconds: Number(binSeconds),
      bins,
    })),
    sessions: heaviest(sessions),
    more: fitting(byWeight(sessions).slice(LINES_MAX)),
    protocols: heaviest(joined(periods, ({ protocols }) => protocols)),
  }
}

/** The lines of all periods, by name: nothing where a period does not have one. */
function joined(
  periods: readonly Period[],
  linesOf: (period: Period) => readonly SeriesLine[],
): SeriesLine[] {
  const names = new Set(periods.flatMap((period) => linesOf(period).map(({ name }) => name)))
  return [...names].map((name) => {
    const all = (of: 'packets' | 'bytes'): number[] =>
      periods.flatMap(
        (period) =>
          linesOf(period).find((line) => line.name === name)?.[of] ??
          new Array<number>(period.bins).fill(0),
      )
    return { name, packets: all('packets'), bytes: all('bytes') }
  })
}

/** As many of them as the page has room for. */
function fitting(lines: readonly SeriesLine[]): SeriesLine[] {
  let room = MORE_CHARACTERS
  return lines.filter((line) => {
    room -= JSON.stringify(line).length
    return room >= 0
  })
}

/** Heaviest first; what is too much for a chart goes into one line. */
function heaviest(lines: readonly SeriesLine[]): SeriesLine[] {
  const sorted = byWeight(lines)
  const [own, others] = [sorted.slice(0, LINES_MAX), sorted.slice(LINES_MAX)]
  if (others.length === 0) return own
  const sum = (of: 'packets' | 'bytes'): number[] =>
    others[0]![of].map((_, bin) => others.reduce((total, line) => total + line[of][bin]!, 0))
  return [...own, { name: `${others.length} others`, packets: sum('packets'), bytes: sum('bytes') }]
}

function byWeight(lines: readonly SeriesLine[]): SeriesLine[] {
  const weight = ({ bytes }: SeriesLine): number => bytes.reduce((sum, each) => sum + each, 0)
  return [...lines].sort((left, right) => weight(right) - weight(left))
}

/** Leaves out the long run of nothing between 0 (flows of one packet, say) and what comes next. */
function withoutVoid(buckets: readonly Bucket[]): Bucket[] {
  const next = buckets.findIndex(({ count }, index) => index > 0 && count > 0)
  const isVoid = buckets[0]?.from === 0 && next > 1
  return buckets.filter((_, index) => !isVoid || index === 0 || index >= next)
}

/** Where a bucket begins, short enough for an axis. */
function bucketText({ from }: Bucket, unit: DistributionReport['unit']): string {
  if (from === 0) return '0'
  if (unit === 'ns') return formatNanoseconds(from)
  if (unit === 'packets') return String(from)
  return from < 1024 ? `${from} B` : binaryText(from)
}

/** Bounds are powers of two: `2 KiB`. */
function binaryText(octets: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  while (octets >= 1024 && unit < units.length - 1) {
    octets /= 1024
    unit++
  }
  return unit === 0 ? formatOctets(octets) : `${octets} ${units[unit]}`
}
