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
  'durations.ts': [],
  'nearest-name.ts': [],
  'sleep.ts': [],
  'visible.ts': [],
  terminal: ['wire', 'visible.ts'],
  application: ['wire'],
  sys: ['wire', 'errors.ts'],
  sink: ['errors.ts'],
  flow: ['wire'],
  receive: ['sys', 'wire', 'errors.ts'],
  pcap: ['wire', 'sink', 'errors.ts'],
  flowlog: ['wire', 'flow', 'sink', 'errors.ts', 'nearest-name.ts'],
  recover: ['pcap', 'flowlog', 'sink', 'errors.ts'],
  filter: ['wire', 'errors.ts', 'nearest-name.ts'],
  mirror: ['wire'],
  control: ['mirror', 'wire', 'sink', 'errors.ts'],
  session: ['application', 'mirror', 'filter', 'wire', 'flow', 'pcap'],
  search: ['session', 'filter', 'pcap', 'sink', 'wire', 'errors.ts'],
  source: ['control', 'mirror', 'pcap', 'sys', 'wire', 'errors.ts', 'sleep.ts'],
  export: ['application', 'flow', 'wire', 'visible.ts'],
  offline: ['application', 'session', 'flow', 'wire', 'pcap', 'errors.ts'],
  analyze: ['application', 'offline', 'session', 'flow', 'wire', 'pcap'],
  query: ['application', 'offline', 'session', 'flow', 'flowlog', 'wire', 'pcap', 'errors.ts'],
  report: ['analyze', 'terminal', 'wire', 'visible.ts'],
  appliance: [
    'application',
    'export',
    'receive',
    'session',
    'control',
    'mirror',
    'flow',
    'flowlog',
    'pcap',
    'sink',
    'wire',
    'errors.ts',
    'durations.ts',
  ],
  aws: ['control', 'mirror', 'sink', 'wire', 'errors.ts', 'sleep.ts'],
  forward: ['appliance', 'filter', 'pcap', 'sink', 'sys', 'wire', 'errors.ts'],
  deliver: ['aws', 'flowlog', 'mirror', 'sink', 'wire', 'errors.ts', 'sleep.ts'],
  api: [
    'aws',
    'appliance',
    'session',
    'control',
    'mirror',
    'flow',
    'flowlog',
    'sink',
    'wire',
    'errors.ts',
    'visible.ts',
    'durations.ts',
  ],
  dashboard: ['api', 'appliance', 'deliver', 'session', 'sink'],
  doctor: [
    'analyze',
    'appliance',
    'aws',
    'receive',
    'session',
    'pcap',
    'sink',
    'sys',
    'wire',
    'errors.ts',
  ],
  metrics: [
    'api',
    'appliance',
    'aws',
    'control',
    'deliver',
    'session',
    'sink',
    'wire',
    'durations.ts',
    'sleep.ts',
  ],
  library: [
    'analyze',
    'appliance',
    'control',
    'filter',
    'flow',
    'flowlog',
    'mirror',
    'offline',
    'pcap',
    'receive',
    'recover',
    'session',
    'sink',
    'wire',
    'errors.ts',
  ],
}
const TOP = new Set(['cli', 'exports', 'index.ts'])

/** Packages that one place alone may know. */
const ONLY_IN: Record<string, (file: string) => boolean> = {
  koffi: (file) => file === 'sys/libc.ts',
  commander: (file) => file.startsWith('cli/'),
  'string-width': (file) => file === 'terminal/text-width.ts',
  'wrap-ansi': (file) => file === 'terminal/text-width.ts',
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

/** What each file imports of this folder, types included, which Biome's rule does not see. */
const importedBy = new Map(
  files.map((file) => [
    file,
    importsOf(file)
      .filter((name) => name.startsWith('.'))
      .map((name) => posix.join(posix.dirname(file), name.replace(/\.js$/, '.ts'))),
  ]),
)

/** The files on the way from `file` back to itself, if there is one. */
function cycleOf(file: string): string[] | undefined {
  const seen = new Set<string>()
  const walk = (at: string, way: string[]): string[] | undefined => {
    for (const next of importedBy.get(at) ?? []) {
      if (next === file) return [...way, next]
      if (seen.has(next)) continue
      seen.add(next)
      const found = walk(next, [...way, next])
      if (found !== undefined) return found
    }
    return undefined
  }
  return walk(file, [file])
}

describe('no file imports itself by way of others, not even a type', () => {
  test.each(files)('%s', (file) => {
    expect(cycleOf(file)).toBeUndefined()
  })
})

test('only the console writes to standard error and standard output', () => {
  const WRITERS = ['cli/process/console.ts', 'cli/process/standard-error.ts']
  const writes = /(?:stderr|stdout)\.write\b|\bconsole\.\w+\(/
  const found = files.filter((file) => {
    const code = readFileSync(join(SRC, file), 'utf8').replace(/^\s*(?:\/\*)?\*.*$/gm, '')
    return writes.test(code)
  })
  expect(found.sort()).toEqual(WRITERS)
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
