import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, relative, sep } from 'node:path'
import { describe, expect, test } from 'vitest'

/**
 * The floors of src/, lowest first. A file may import from its own folder and
 * from those its row names; src/README.md explains why.
 */
const MAY_IMPORT: Record<string, readonly string[]> = {
  wire: [],
  'errors.ts': [],
  'nearest-name.ts': [],
  flow: ['wire'],
  deliver: ['errors.ts'],
  receive: ['wire', 'errors.ts'],
  pcap: ['wire', 'deliver', 'errors.ts'],
  flowlog: ['wire', 'flow', 'deliver', 'errors.ts', 'nearest-name.ts'],
  filter: ['wire', 'errors.ts', 'nearest-name.ts'],
  mirror: ['wire', 'flow', 'deliver', 'errors.ts'],
  session: ['mirror', 'filter', 'wire', 'flow', 'flowlog', 'pcap', 'deliver', 'errors.ts'],
  send: ['mirror', 'filter', 'receive', 'wire', 'pcap', 'errors.ts'],
  analyze: ['session', 'filter', 'wire', 'flow', 'flowlog', 'pcap', 'deliver', 'errors.ts'],
  web: ['analyze', 'wire', 'errors.ts'],
  thread: [
    'receive',
    'session',
    'mirror',
    'filter',
    'wire',
    'flow',
    'flowlog',
    'pcap',
    'deliver',
    'errors.ts',
  ],
  api: ['thread', 'session', 'mirror', 'filter', 'wire', 'flow', 'flowlog', 'deliver', 'errors.ts'],
}
const TOP = new Set(['cli', 'index.ts'])

/** Packages that one place alone may know. */
const ONLY_IN: Record<string, (file: string) => boolean> = {
  koffi: (file) => file === 'receive/libc.ts',
  commander: (file) => file.startsWith('cli/'),
}

const SRC = join(import.meta.dirname, '../src')
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.split(sep).join('/'))

function importsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), 'utf8')
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)
  return [...found].map((match) => match[1]!)
}

describe('imports point downwards', () => {
  test.each(files)('%s', (file) => {
    const floor = file.split('/')[0]!
    if (!TOP.has(floor)) expect(Object.keys(MAY_IMPORT)).toContain(floor)
    for (const name of importsOf(file)) {
      if (name.startsWith('.')) {
        const target = posix.normalize(
          posix.join(posix.dirname(file), name.replace(/\.js$/, '.ts')),
        )
        const room = target.split('/')[0]!
        const allowed = TOP.has(floor) || room === floor || MAY_IMPORT[floor]!.includes(room)
        expect(allowed, `${relative('.', file)} imports ${name}`).toBe(true)
      } else {
        expect(ONLY_IN[name]?.(file) ?? true, `${file} imports ${name}`).toBe(true)
      }
    }
  })
})

describe('src/README.md', () => {
  const page = readFileSync(join(SRC, 'README.md'), 'utf8')

  test('shows the same floors', () => {
    const section = page.split('\n## ').find((text) => text.startsWith('Floors'))!
    const rows = [...section.matchAll(/^\| `([^`]+)` \| (.*) \|$/gm)].map(([, floor, names]) => [
      floor!,
      [...names!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!),
    ])
    expect(Object.fromEntries(rows)).toEqual(MAY_IMPORT)
  })

  test('links to files that exist, and maps every folder', () => {
    const links = [...page.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1]!)
    expect(links.filter((link) => !files.includes(link))).toEqual([])
    const folders = new Set(files.filter((name) => name.includes('/')).map((n) => n.split('/')[0]!))
    const section = page.split('\n## ').find((text) => text.startsWith('Code map'))!
    const mapped = [...section.matchAll(/^\| `([a-z]+)\/` \|/gm)].map((match) => match[1]!)
    expect(mapped.sort()).toEqual([...folders].sort())
    for (const [, folder, names] of section.matchAll(/^\| `([a-z]+\/)` \|.*\| (.*) \|$/gm)) {
      for (const [, name] of names!.matchAll(/`([^`]+)`/g)) expect(files).toContain(folder! + name!)
    }
  })
})
