import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { IS_BUILT, NEEDS_BUILD, UNHURRIED } from './program.js'

const ROOT = join(import.meta.dirname, '../..')
const SAMPLE = join(ROOT, 'samples/vxlan-two-sessions.pcap')

/** What another program does with the package: TypeScript that is JavaScript too. */
const PROGRAM = `
import { analyze, flowLog, flows, readCapture } from 'mirrortap'
import { compileFilter } from 'mirrortap/filter'
import { parseLogFormat } from 'mirrortap/flow-log'
import { MirrorEvaluator, NOT_MIRRORED, RuleSet } from 'mirrortap/mirror'
import { readCaptures } from 'mirrortap/pcap'
import { Frame, INGRESS, parsePacket } from 'mirrortap/wire'

const file = ${JSON.stringify(SAMPLE)}
let bytes = 0
for await (const flow of flows(file, { filter: 'vni 42 and tcp port 5432' })) bytes += flow.bytes
const lines = []
for await (const record of flowLog(file, { logFormat: '\${bytes}' })) lines.push(record.line())

const frame = new Frame()
const ruleSet = new RuleSet({ networkServices: [], rules: [] })
const isUdp = compileFilter('udp')
let packets = 0
let udp = 0
let mirrored = 0
await readCaptures([file], (packet) => {
  packets++
  if (isUdp(packet)) udp++
  parsePacket(packet, frame)
  frame.direction = INGRESS
  if (ruleSet.accepts(frame)) mirrored++
})
const isMirrored = new MirrorEvaluator([]).evaluate(frame) !== NOT_MIRRORED
const { sessions } = await analyze(file, { top: 3 })
const summary = await readCapture(file, () => undefined)
console.log(JSON.stringify([
  bytes, packets, udp, mirrored, isMirrored, sessions.length, summary.packets,
  parseLogFormat('\${bytes}').version, lines.length > 0,
]))
`

/** Programs of a document, in its order. */
function programsOf(document: string): string[] {
  const text = readFileSync(join(ROOT, document), 'utf8')
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1]!)
}

/** A directory beside an installed package, with the captures that programs of the README speak of. */
function besideThePackage(): string {
  const directory = temporaryDirectory()
  mkdirSync(join(directory, 'node_modules/@types'), { recursive: true })
  symlinkSync(ROOT, join(directory, 'node_modules/mirrortap'))
  symlinkSync(join(ROOT, 'node_modules/@types/node'), join(directory, 'node_modules/@types/node'))
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  symlinkSync(SAMPLE, join(directory, 'mirrored.pcap'))
  symlinkSync(join(ROOT, 'samples/web-and-dns.pcap'), join(directory, 'plain.pcap'))
  return directory
}

function run(directory: string, program: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], {
    encoding: 'utf8',
    cwd: directory,
  })
  expect({ program, status, stderr }).toEqual({ program, status: 0, stderr: '' })
  return stdout
}

describe.skipIf(!IS_BUILT)(`the built package${NEEDS_BUILD}`, UNHURRIED, () => {
  test('has types that a strict compiler takes, and does in other programs what the commands do', () => {
    const directory = besideThePackage()
    const inReadme = programsOf('src/library/README.md')
    for (const [index, text] of [PROGRAM, ...inReadme].entries()) {
      writeFileSync(join(directory, `program${index}.ts`), text)
    }
    for (const text of inReadme) expect(text.trim().split('\n').length).toBeLessThan(15)
    const { status, stdout } = spawnSync(
      process.execPath,
      [
        join(ROOT, 'node_modules/typescript/bin/tsc'),
        ...['--strict', '--types', 'node', '--target', 'es2023', '--module', 'nodenext'],
        ...[PROGRAM, ...inReadme].map((_, index) => `program${index}.ts`),
      ],
      { encoding: 'utf8', cwd: directory },
    )
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })

    // Both directions of the connection to port 5432, by samples/README.md.
    const found: unknown = JSON.parse(run(directory, 'program0.js'))
    expect(found).toEqual([848 + 6688, 92, 92, 0, false, 2, 92, 2, true])
    expect(run(directory, 'program1.js')).toBe('0\n')
    expect(run(directory, 'program2.js')).toMatch(/^10\.0\.1\.20 \d+$/m)
    expect(run(directory, 'program3.js')).toBe('4\n')
    expect(readFileSync(join(directory, 'dns.pcap')).length).toBeGreaterThan(24 + 4 * 16)
  })

  test('lets nobody reach what it does not name', () => {
    const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      exports: Record<string, string | { types: string; default: string }>
    }
    const directory = besideThePackage()
    const names = Object.keys(exports).map((name) => name.replace(/^\./, 'mirrortap'))
    const program = `
      const load = (name) => import(name, name.endsWith('.json') ? { with: { type: 'json' } } : {})
      const code = (error) => error.code
      const loaded = []
      for (const name of ${JSON.stringify(names)}) loaded.push(await load(name).then(() => 'loads', code))
      for (const path of ['dist/index.js', 'dist/session/tap.js', 'src/index.ts', 'errors'])
        loaded.push(await load('mirrortap/' + path).catch(code))
      console.log(JSON.stringify(loaded))`
    writeFileSync(join(directory, 'reach.js'), program)
    expect(JSON.parse(run(directory, 'reach.js'))).toEqual([
      ...names.map(() => 'loads'),
      ...Array(4).fill('ERR_PACKAGE_PATH_NOT_EXPORTED'),
    ])
  })
  test('describes every name it exports on the page of its entry', () => {
    const pages = { index: 'index', pcap: 'exports/pcap', wire: 'exports/wire' }
    for (const [page, entry] of Object.entries(pages)) {
      const text = readFileSync(join(ROOT, 'dist/api', `${page}.md`), 'utf8')
      const source = readFileSync(join(ROOT, 'src', `${entry}.ts`), 'utf8')
      const names = [...source.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list]) =>
        list!.split(',').map((one) => one.trim().replace(/^type /, '')),
      )
      for (const name of names) if (name !== '') expect(text).toContain(`\n## ${name}\n`)
      expect(text).not.toMatch(/#private|@internal/)
    }
    const index = readFileSync(join(ROOT, 'dist/api/index.md'), 'utf8')
    // A function with its docstring and its declaration, and a type that only types use.
    expect(index).toMatch(/^## listen\n\nReceives mirrored packets in this process/m)
    expect(index).toContain('function listen(options?: ListenOptions): Promise<Listener>;')
    expect(index).toContain('\n## PacketStream\n')
  })
})
