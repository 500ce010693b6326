/**
 * Whether `text` is what a filter's value describes: `*` is any characters or none, `?` any
 * one, and a backslash takes the meaning from the character after it. Case counts.
 *
 * In steps of at most the product of both lengths, whatever the value.
 *
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
 */
export function matchesWildcard(pattern: string, text: string): boolean {
  let p = 0
  let t = 0
  /** After the last `*`, and how far it reaches so far. */
  let star = -1
  let reach = 0
  while (t < text.length) {
    const isEscaped = pattern[p] === '\\' && p + 1 < pattern.length
    const wanted = isEscaped ? pattern[p + 1] : pattern[p]
    if (!isEscaped && wanted === '*') {
      star = ++p
      reach = t
    } else if (p < pattern.length && ((!isEscaped && wanted === '?') || wanted === text[t])) {
      p += isEscaped ? 2 : 1
      t++
    } else if (star >= 0) {
      p = star
      t = ++reach
    } else {
      return false
    }
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}
