/**
 * Which known name a mistyped one was meant to be: the one the fewest typing
 * slips away (a letter missing, too many, wrong, or two swapped). Undefined when
 * every name is further off than half of what was typed: a guess that far
 * misleads. A word of any length costs little: only names of about its length are compared.
 */
export function nearestName(typed: string, names: Iterable<string>): string | undefined {
  const word = typed.toLowerCase().replaceAll('_', '-')
  let nearest: string | undefined
  let fewest = Math.floor(word.length / 2) + 1
  for (const name of names) {
    // At least this many letters are missing or too many.
    if (Math.abs(name.length - word.length) >= fewest) continue
    const slips = countSlips(word, name)
    if (slips < fewest) {
      fewest = slips
      nearest = name
    }
  }
  return nearest
}

/** Damerau's distance in its restricted form: no letter is touched twice. */
function countSlips(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1
      let slips = Math.min(last[j - 1]! + same, last[j]! + 1, row[j - 1]! + 1)
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        slips = Math.min(slips, beforeLast[j - 2]! + 1)
      }
      row.push(slips)
    }
    beforeLast = last
    last = row
  }
  return last[to.length]!
}
