import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { IS_BUILT, NEEDS_BUILD, UNHURRIED } from './program.js'

const ROOT = join(import.meta.dirname, '../..')
const SAMPLE = join(ROOT, 'samples/vxlan-two-sessions.pcap')

/** What another program does with the package: TypeScript that is JavaScript too. */
const PROGRAM = `
import {
  Analysis, ExpressionFilter, INGRESS, MirrorEvaluator, NOT_MIRRORED, Offline,
  parseFrame, parseLogFormat, Frame, RecordLine, readCaptures, RuleSet,
} from 'mirrortap'

const file = ${JSON.stringify(SAMPLE)}
const filter = new ExpressionFilter('vni 42 and tcp port 5432')
let octets = 0
const offline = new Offline({
  decap: 'auto', vxlanPort: 4789, genevePort: 6081, filter,
  flows: { capacity: 1024, windowSeconds: 60, onRecord: (record) => { octets += record.bytes } },
})
await offline.read(file)
offline.tracker?.shutdown()

const rules = { networkServices: [], rules: [] }
const frame = new Frame()
let packets = 0
let mirrored = 0
const ruleSet = new RuleSet(rules)
await readCaptures([file], (packet) => {
  packets++
  const { bytes, start, end, linkType, originalLength } = packet
  parseFrame(bytes, start, end, linkType, originalLength, frame)
  frame.direction = INGRESS
  if (ruleSet.accepts(frame)) mirrored++
})
const isMirrored = new MirrorEvaluator([]).evaluate(frame) !== NOT_MIRRORED

const analysis = new Analysis({ decap: 'auto', vxlanPort: 4789, genevePort: 6081, maxFlows: 1024, top: 3 })
await analysis.readAll([file])
const { sessions } = analysis.report()

const line = new RecordLine(parseLogFormat('\${srcaddr} \${bytes}'))
console.log(JSON.stringify([
  octets, packets, mirrored, isMirrored, sessions.length, typeof line, offline.ledger.filtered,
]))
`

/** A program beside an installed package. */
function programIn(name: string): { directory: string; path: string } {
  const directory = temporaryDirectory()
  mkdirSync(join(directory, 'node_modules/@types'), { recursive: true })
  symlinkSync(ROOT, join(directory, 'node_modules/mirrortap'))
  symlinkSync(join(ROOT, 'node_modules/@types/node'), join(directory, 'node_modules/@types/node'))
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  const path = join(directory, name)
  writeFileSync(path, PROGRAM)
  return { directory, path }
}

describe.skipIf(!IS_BUILT)(`the built package${NEEDS_BUILD}`, UNHURRIED, () => {
  test('does in another program what the commands do', () => {
    const { path } = programIn('program.js')
    const { status, stdout, stderr } = spawnSync(process.execPath, [path], { encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    // Both directions of the connection to port 5432, by samples/README.md.
    expect(JSON.parse(stdout)).toEqual([848 + 6688, 92, 0, false, 2, 'object', 92 - 24])
  })

  test('has types that a strict compiler takes', () => {
    const { directory, path } = programIn('program.ts')
    const { status, stdout } = spawnSync(
      process.execPath,
      [
        join(ROOT, 'node_modules/typescript/bin/tsc'),
        ...[
          '--noEmit',
          '--strict',
          '--types',
          'node',
          '--target',
          'es2023',
          '--module',
          'nodenext',
          path,
        ],
      ],
      { encoding: 'utf8', cwd: directory },
    )
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
  })
})
