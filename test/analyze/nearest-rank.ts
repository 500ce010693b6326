/** The value that `percentile` % of the sorted ones are not above, by nearest rank. */
export function nearestRank(sorted: readonly number[], percentile: number): number {
  // In thousandths, so that 99.9 % of 1000 is 999 and not a little more.
  const rank = Math.ceil((Math.round(percentile * 10) * sorted.length) / 1000)
  return sorted[Math.max(rank, 1) - 1]!
}
