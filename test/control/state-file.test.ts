import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { EMPTY_STATE, type State } from '../../src/control/state.js'
import { StateFile } from '../../src/control/state-file.js'
import { OperatorError } from '../../src/errors.js'
import { FILTER, FLOW_LOG, SESSION, TARGET } from '../mirror/sample-resources.js'

const noProblem = (line: string) => expect.unreachable(line)

function temporaryFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'mirrortap-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'state.json')
}

const STATE: State = {
  resources: {
    targets: new Map([[TARGET.id, TARGET]]),
    filters: new Map([[FILTER.id, FILTER]]),
    sessions: new Map([[SESSION.id, SESSION]]),
    flowLogs: new Map([[FLOW_LOG.id, FLOW_LOG]]),
  },
  tokens: new Map([
    [
      '111122223333 CreateFlowLogs token',
      {
        fingerprint: 'abc',
        ids: [FLOW_LOG.id],
        failures: [{ resourceId: 'eni-1', code: 'InvalidID', message: 'no' }],
        usedAt: 1,
      },
    ],
  ]),
  declared: new Set(),
  applianceTags: [{ key: 'env', value: 'prod' }],
}

/** A file with that state in it. */
async function savedFile(): Promise<string> {
  const path = temporaryFile()
  const file = new StateFile(path)
  await file.open(noProblem)
  await file.write(STATE)
  return path
}

describe('StateFile', () => {
  test('gives back all that was written', async () => {
    const path = await savedFile()
    expect(await new StateFile(path).open(noProblem)).toEqual(STATE)
    expect(readdirSync(dirname(path))).toEqual([basename(path)])
  })

  test('begins empty, with a file that only its owner may read', async () => {
    const path = temporaryFile()
    expect(await new StateFile(path).open(noProblem)).toEqual(EMPTY_STATE)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(await new StateFile(path).open(noProblem)).toEqual(EMPTY_STATE)
  })

  test('removes what killed processes left half written, and nothing else', async () => {
    const path = await savedFile()
    const others = ['state.json.1', 'state.json.bak', 'other.json.1234567890', 'state.json.123456x']
    for (const name of [...others, 'state.json.1234567890', 'state.json.375264223']) {
      writeFileSync(join(dirname(path), name), '{"version":1,')
    }
    expect(await new StateFile(path).open(noProblem)).toEqual(STATE)
    expect(readdirSync(dirname(path)).sort()).toEqual([...others, 'state.json'].sort())
  })

  test('leaves out what the configuration declares', async () => {
    const path = temporaryFile()
    const file = new StateFile(path)
    await file.open(noProblem)
    await file.write({ ...STATE, declared: new Set([FILTER.id, SESSION.id]) })
    const { resources } = await new StateFile(path).open(noProblem)
    expect(resources.filters.size + resources.sessions.size).toBe(0)
    expect(resources.targets.size).toBe(1)
  })

  test('keeps every damaged file aside, names it, and begins anew', async () => {
    const whole = readFileSync(await savedFile(), 'utf8')
    const change = (from: string | RegExp, to: string): string => {
      const changed = whole.replace(from, to)
      expect(changed).not.toBe(whole)
      return changed
    }
    const path = temporaryFile()
    const damaged = [
      '',
      'null',
      '[]',
      '{"version":1}',
      '\0'.repeat(100),
      whole.slice(0, -5),
      change('"version":1', '"version":"1"'),
      change('"version":1', '"version":0'),
      change('"sessionNumber":1', '"sessionNumber":0'),
      change('"virtualNetworkId":7', '"virtualNetworkId":16777216'),
      change('"virtualNetworkId":7', '"virtualNetworkId":7,"more":1'),
      change('"tokens"', '"mokens"'),
      change('10.0.0.0/8', '10.0.0.0/80'),
      change('fl-00000000000000001', 'fl-1'),
      change(/("sessions":\[\n)(.*)\n/, '$1$2,\n$2\n'),
    ]
    for (const [index, text] of damaged.entries()) {
      writeFileSync(path, text)
      const problems: string[] = []
      const state = await new StateFile(path).open((line) => problems.push(line))
      expect(state, `case ${index}`).toEqual(EMPTY_STATE)
      expect(problems.length).toBe(1)
      const aside = /it is kept as (\S+), /.exec(problems[0]!)![1]!
      expect(aside).toMatch(/state\.json\.damaged-\d{8}T\d{6}\.\d{3}Z/)
      expect(readFileSync(aside, 'utf8')).toBe(text)
      expect(problems[0]).not.toContain('\n')
    }
    expect(readdirSync(dirname(path)).length).toBe(damaged.length + 1)
  })

  test('says where it is damaged', async () => {
    const path = await savedFile()
    writeFileSync(path, readFileSync(path, 'utf8').replace('"ruleNumber":10', '"ruleNumber":-1'))
    const problems: string[] = []
    await new StateFile(path).open((line) => problems.push(line))
    expect(problems[0]).toContain('filters.0.rules.0.ruleNumber')
  })

  test('refuses a file of a later version and leaves it alone', async () => {
    const path = temporaryFile()
    const text = '{"version":2,"sessions":"in another form"}'
    writeFileSync(path, text)
    await expect(new StateFile(path).open(noProblem)).rejects.toThrow(OperatorError)
    await expect(new StateFile(path).open(noProblem)).rejects.toThrow('later')
    expect(readFileSync(path, 'utf8')).toBe(text)
    expect(readdirSync(dirname(path)).length).toBe(1)
  })

  test.each([
    ['in a directory that there is not', () => join(temporaryFile(), 'no', 'state.json')],
    ['that is a directory', () => dirname(temporaryFile())],
  ])('refuses a file %s', async (_what, pathOf) => {
    await expect(new StateFile(pathOf()).open(noProblem)).rejects.toThrow(OperatorError)
  })

  test('writes through a link and leaves the link', async () => {
    const path = await savedFile()
    const link = join(dirname(path), 'link.json')
    symlinkSync(path, link)
    const file = new StateFile(link)
    await file.open(noProblem)
    await file.write(EMPTY_STATE)
    expect(await new StateFile(path).open(noProblem)).toEqual(EMPTY_STATE)
  })

  test('does not write over what another process wrote, but again where it was removed', async () => {
    const path = temporaryFile()
    const one = new StateFile(path)
    await one.open(noProblem)
    const other = new StateFile(path)
    await other.open(noProblem)
    await other.write(STATE)
    await expect(one.write(EMPTY_STATE)).rejects.toThrow(OperatorError)
    expect(await new StateFile(path).open(noProblem)).toEqual(STATE)
    rmSync(path)
    await one.write(STATE)
    expect(await new StateFile(path).open(noProblem)).toEqual(STATE)
  })
})
