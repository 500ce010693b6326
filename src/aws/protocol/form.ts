/** One `name=value`, decoded. */
export type Parameter = readonly [name: string, value: string]

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/

/**
 * Takes apart `application/x-www-form-urlencoded` text, of a body or of a URL's query, given as
 * one character a byte. `a` alone is `a=`; a space comes as `+` or `%20`. undefined when an
 * escape is cut short, or what comes out is not UTF-8.
 */
export function parseForm(text: string): Parameter[] | undefined {
  const parameters: Parameter[] = []
  for (const [rawName, rawValue] of splitForm(text)) {
    const name = decodeText(rawName)
    const value = decodeText(rawValue)
    if (name === undefined || value === undefined) return undefined
    parameters.push([name, value])
  }
  return parameters
}

/** The pairs as they stand, not decoded. Empty ones (`a=1&&b=2`) are left out. */
export function splitForm(text: string): Parameter[] {
  const pairs: Parameter[] = []
  for (const pair of text.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    pairs.push(equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)])
  }
  return pairs
}

/** The bytes that escaped text stands for, or undefined when an escape is cut short. */
export function decodeOctets(text: string): Buffer | undefined {
  if (BAD_ESCAPE.test(text)) return undefined
  const octets = text
    .replaceAll('+', ' ')
    .replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(octets, 'latin1')
}

/** What stands for something else than itself. */
const IS_ENCODED = /[%+\x80-\xff]/

function decodeText(text: string): string | undefined {
  if (!IS_ENCODED.test(text)) return text
  const octets = decodeOctets(text)
  if (octets === undefined) return undefined
  try {
    return UTF8.decode(octets)
  } catch {
    return undefined
  }
}
