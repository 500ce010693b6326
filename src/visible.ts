/**
 * Control characters (Cc), format characters such as those that change the direction of text (Cf),
 * separators of lines and paragraphs (Zl, Zp), and halves of surrogate pairs (Cs).
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/**
 * Text that a terminal shows and does not obey, in one line. What is unsafe is escaped as in
 * JSON, so JSON in one line stays the same JSON.
 */
export function visible(text: string): string {
  return text.replace(UNSAFE, escaped)
}

/** The same for text of several lines; the ends of lines stay. */
export function visibleLines(text: string): string {
  return text.replace(UNSAFE, (character) => (character === '\n' ? '\n' : escaped(character)))
}

function escaped(character: string): string {
  const short = SHORT[character]
  if (short !== undefined) return short
  let text = ''
  for (let at = 0; at < character.length; at++) {
    text += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
  }
  return text
}
