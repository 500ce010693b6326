import type { Output } from './action.js'

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  // A parser would make a line feed of it.
  '\r': '&#xD;',
}

/** What XML 1.0 (§2.2) has no way to write, not even escaped. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNWRITABLE = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g

/** `text` as the content of an element. What XML cannot carry becomes U+FFFD. */
export function escapeXml(text: string): string {
  return text.replace(UNWRITABLE, '\ufffd').replace(/[&<>"\r]/g, (character) => ESCAPES[character]!)
}

/** One element, `content` being XML already. */
export function element(name: string, content: string): string {
  return content === '' ? `<${name}/>` : `<${name}>${content}</${name}>`
}

/** The members of an action's output as elements, by the rules of the EC2 protocol that `Output` describes. */
export function emitMembers(output: Output): string {
  let xml = ''
  for (const [name, value] of Object.entries(output)) {
    if (value === undefined || value === null) continue
    xml += element(name, emitValue(value))
  }
  return xml
}

function emitValue(value: unknown): string {
  if (typeof value === 'string') return escapeXml(value)
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) {
    return value.map((item) => element('item', emitValue(item))).join('')
  }
  if (typeof value === 'object' && value !== null) return emitMembers(value)
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') {
    return String(value)
  }
  throw new TypeError(`an output cannot hold a ${typeof value}`)
}
