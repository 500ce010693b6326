import { createRequire } from 'node:module'
import { stripVTControlCharacters } from 'node:util'

/**
 * What text takes on a terminal, in columns: wide characters two, combining ones none. The
 * packages that know it take 80 ms of CPU to load, so they are loaded by what is not ASCII.
 */
const require = createRequire(import.meta.url)

/** Columns of help texts, as commander assumes where it cannot know. */
export const HELP_WIDTH = 80

const ASCII = /^[\x20-\x7e]*$/

let stringWidth: typeof import('string-width').default | undefined

/** Columns that text of one line takes; escape sequences take none. */
export function widthOf(text: string): number {
  if (ASCII.test(text)) return text.length
  stringWidth ??= (require('string-width') as typeof import('string-width')).default
  return stringWidth(text)
}

/** Text of at most `width` columns, with … instead of what was cut off its end, or out of its middle. */
export function shortened(text: string, width: number, at: 'end' | 'middle' = 'end'): string {
  if (widthOf(text) <= width) return text
  const room = Math.max(width - 1, 0)
  const behind = at === 'middle' ? Math.floor(room / 2) : 0
  const characters = graphemesOf(text)
  const head = upTo(characters, room - behind)
  const tail = upTo(characters.toReversed(), behind).reverse()
  return `${head.join('')}…${tail.join('')}`
}

/** What a reader takes for characters, so that none is cut into its parts. */
function graphemesOf(text: string): string[] {
  if (ASCII.test(text)) return [...text]
  return Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment)
}

function upTo(characters: readonly string[], width: number): string[] {
  let used = 0
  const end = characters.findIndex((character) => {
    used += widthOf(character)
    return used > width
  })
  return characters.slice(0, end === -1 ? characters.length : end)
}

/**
 * Lines of at most `width` columns, broken between words: `head` and text, then text below text.
 * With `hard` words that are longer than a line are broken too.
 */
export function wrapped(
  text: string,
  width: number,
  { head = '', hard = false }: { head?: string; hard?: boolean } = {},
): string[] {
  const indent = widthOf(head)
  const room = Math.max(width - indent, 1)
  if (widthOf(stripVTControlCharacters(text)) <= room) return [head + text]
  const wrapAnsi = (require('wrap-ansi') as typeof import('wrap-ansi')).default
  const lines = wrapAnsi(text, room, { hard, wordWrap: true }).split('\n')
  return lines.map((line, at) => (at === 0 ? head : ' '.repeat(indent)) + line)
}
