import {
  copyFileSync,
  existsSync,
  mkdirSync,
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
import {
  type Change,
  EMPTY_STATE,
  type State,
  type Table,
  type TokenUse,
} from '../../src/control/state.js'
import { StateFile } from '../../src/control/state-file.js'
import { OperatorError } from '../../src/errors.js'
import { FILTER, FLOW_LOG, INTERFACE, SESSION, TARGET } from '../mirror/sample-resources.js'

const noProblem = (line: string) => expect.unreachable(line)

function temporaryFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'mirrortap-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'state.json')
}

const STATE: State = {
  resources: {
    interfaces: new Map([[INTERFACE.id, INTERFACE]]),
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
  followed: {
    source: 'http://192.0.2.1:4780 for tmt-1',
    ids: new Set([INTERFACE.id, TARGET.id]),
    readAt: 1_700_000_000_000,
  },
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
      change('"version":3', '"version":"3"'),
      change('"version":3', '"version":0'),
      change('"sessionNumber":1', '"sessionNumber":0'),
      change('"virtualNetworkId":7', '"virtualNetworkId":16777216'),
      change('"virtualNetworkId":7', '"virtualNetworkId":7,"more":1'),
      change('"tokens"', '"mokens"'),
      change('10.0.0.0/8', '10.0.0.0/80'),
      change('fl-00000000000000001', 'lf-1'),
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
    const text = '{"version":4,"sessions":"in another form"}'
    writeFileSync(path, text)
    await expect(new StateFile(path).open(noProblem)).rejects.toThrow(OperatorError)
    await expect(new StateFile(path).open(noProblem)).rejects.toThrow('later mirrortap (version 4)')
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

  test.each([1, 2])(
    'reads a file of version %i, and makes it one of version 3',
    async (version) => {
      const path = await savedFile()
      const {
        journal,
        interfaces: _,
        followed: __,
        ...rest
      } = JSON.parse(readFileSync(path, 'utf8'))
      const named = version === 1 ? {} : { journal }
      writeFileSync(path, JSON.stringify({ ...rest, version, ...named }))
      expect(await new StateFile(path).open(noProblem)).toEqual({
        ...STATE,
        resources: { ...STATE.resources, interfaces: new Map() },
        followed: undefined,
      })
      expect(readFileSync(path, 'utf8')).toContain('"version":3')
    },
  )
})

const TOKEN = { fingerprint: 'f', ids: ['x'], failures: [], usedAt: 5 }

/** Saves with the changes that lead there; the states after each, the first being before all. */
async function journaled(path: string): Promise<State[]> {
  const file = new StateFile(path)
  const states = [await file.open(noProblem)]
  const save = async (next: State, changes: Change[], uses: [string, TokenUse][] = []) => {
    await file.write(next, { changes, tokenUses: uses })
    states.push(next)
  }
  const withTarget = { ...EMPTY_STATE.resources, targets: new Map([[TARGET.id, TARGET]]) }
  const withBoth = { ...withTarget, filters: new Map([[FILTER.id, FILTER]]) }
  const change = (table: Table, id: string, after?: object): Change =>
    ({ table, id, before: undefined, after }) as Change
  const [first] = states as [State]
  const tokens = new Map([['t', TOKEN]])
  await save({ ...first, resources: withTarget }, [change('targets', TARGET.id, TARGET)])
  await save(
    { ...first, resources: withBoth, tokens },
    [change('filters', FILTER.id, FILTER)],
    [['t', TOKEN]],
  )
  const { targets: _, ...others } = withBoth
  await save({ ...first, resources: { ...others, targets: new Map() }, tokens }, [
    change('targets', TARGET.id),
  ])
  return states
}

/** What is in a state, whichever kinds of maps it has. */
function plain({ resources, tokens }: State): object {
  return {
    tokens: new Map(tokens),
    resources: Object.fromEntries(
      Object.entries(resources).map(([table, map]) => [table, new Map<string, object>(map)]),
    ),
  }
}

describe('the journal of a state file', () => {
  test('has what was saved since, and only its owner may read it', async () => {
    const path = temporaryFile()
    const states = await journaled(path)
    const whole = readFileSync(path, 'utf8')
    expect(whole).not.toContain(TARGET.id)
    expect(statSync(`${path}.journal`).mode & 0o777).toBe(0o600)
    const read = await new StateFile(path).open(noProblem)
    expect(plain(read)).toEqual(plain(states.at(-1)!))
    expect(readdirSync(dirname(path))).toEqual([basename(path)])
  })

  test('cut off at any byte is what was saved before', async () => {
    const path = temporaryFile()
    const states = await journaled(path)
    const file = readFileSync(path)
    const journal = readFileSync(`${path}.journal`)
    for (let length = 0; length <= journal.length; length++) {
      writeFileSync(path, file)
      const cut = journal.subarray(0, length)
      writeFileSync(`${path}.journal`, cut)
      const lines = cut.toString().split('\n').length - 1
      const read = plain(await new StateFile(path).open(noProblem))
      // Without its last line feed a line is whole all the same.
      const possible = [states[Math.max(0, lines - 1)]!, states[Math.min(lines, 3)]!].map(plain)
      expect(possible, `${length} bytes`).toContainEqual(read)
    }
  })

  test('damaged in its midst is kept aside, named, and counts up to there', async () => {
    const path = temporaryFile()
    const states = await journaled(path)
    const journal = readFileSync(`${path}.journal`)
    const at = journal.indexOf(FILTER.id)
    journal[at] = journal[at]! ^ 1
    writeFileSync(`${path}.journal`, journal)
    const problems: string[] = []
    const read = await new StateFile(path).open((line) => problems.push(line))
    expect(plain(read)).toEqual(plain(states[1]!))
    expect(problems.length).toBe(1)
    expect(problems[0]).toContain('line 3')
    const aside = /it is kept as (\S+), /.exec(problems[0]!)![1]!
    expect(readFileSync(aside)).toEqual(journal)
    expect(plain(await new StateFile(path).open(noProblem))).toEqual(plain(states[1]!))
  })

  test('of a file that was replaced since counts for nothing', async () => {
    const path = temporaryFile()
    await journaled(path)
    const journal = readFileSync(`${path}.journal`)
    const file = new StateFile(path)
    await file.open(noProblem)
    await file.write(STATE)
    writeFileSync(`${path}.journal`, journal)
    expect(plain(await new StateFile(path).open(noProblem))).toEqual(plain(STATE))
  })

  test('begins anew when it is as long as the file, so that neither grows without end', async () => {
    const path = temporaryFile()
    const file = new StateFile(path)
    const first = await file.open(noProblem)
    let longest = 0
    let wholes = 0
    let state = first
    for (let count = 0; count < 60; count++) {
      const filter = { ...FILTER, description: `${count} ${'x'.repeat(100_000)}` }
      const filters = new Map([[FILTER.id, filter]])
      state = { ...first, resources: { ...first.resources, filters } }
      const before = readFileSync(path, 'utf8')
      const changes = [{ table: 'filters', id: FILTER.id, before: undefined, after: filter }]
      await file.write(state, { changes: changes as Change[], tokenUses: [] })
      if (readFileSync(path, 'utf8') !== before) wholes++
      else longest = Math.max(longest, statSync(`${path}.journal`).size)
    }
    expect(longest).toBeLessThan(1.2 * 1024 * 1024)
    expect(wholes).toBeGreaterThan(2)
    expect(wholes).toBeLessThan(10)
    expect(plain(await new StateFile(path).open(noProblem))).toEqual(plain(state))
  })

  test('grows by a change as much with ten thousand resources as with one', async () => {
    const path = temporaryFile()
    const many = Array.from({ length: 10_000 }, (_, at) => {
      const id = `tmf-${at.toString(16).padStart(17, '0')}`
      return [id, { ...FILTER, id }] as const
    })
    for (const filters of [new Map(many.slice(0, 1)), new Map(many)]) {
      const file = new StateFile(path)
      await file.open(noProblem)
      const state = { ...EMPTY_STATE, resources: { ...EMPTY_STATE.resources, filters } }
      await file.write(state)
      const { ino } = statSync(path)
      const changes = [{ table: 'filters', id: FILTER.id, before: undefined, after: FILTER }]
      await file.write(state, { changes: changes as Change[], tokenUses: [] })
      expect(statSync(path).ino).toBe(ino)
      expect(statSync(`${path}.journal`).size).toBeLessThan(2000)
    }
  })

  test('that cannot be written leaves what was saved, and is not needed', async () => {
    const path = temporaryFile()
    const file = new StateFile(path)
    const first = await file.open(noProblem)
    mkdirSync(`${path}.journal`)
    const filters = new Map([[FILTER.id, FILTER]])
    const next = { ...first, resources: { ...first.resources, filters } }
    const changes = [{ table: 'filters', id: FILTER.id, before: undefined, after: FILTER }]
    const saving = file.write(next, { changes: changes as Change[], tokenUses: [] })
    await expect(saving).rejects.toThrow(OperatorError)
    rmSync(`${path}.journal`, { recursive: true })
    await file.write(next, { changes: [], tokenUses: [] })
    expect(plain(await new StateFile(path).open(noProblem))).toEqual(plain(next))
  })

  test('and the file count only what was committed, whenever the process is killed', async () => {
    const path = temporaryFile()
    const file = new StateFile(path)
    const empty = await file.open(noProblem)
    const withFilters = (...filters: (typeof FILTER)[]): State => ({
      ...empty,
      resources: { ...empty.resources, filters: new Map(filters.map((each) => [each.id, each])) },
    })
    const other = { ...FILTER, id: 'tmf-00000000000000002' }
    const first = withFilters(FILTER)
    const both = withFilters(FILTER, other)
    const adding = (after: typeof FILTER) => ({
      changes: [{ table: 'filters', id: after.id, before: undefined, after }] as Change[],
      tokenUses: [],
    })
    let copies = 0
    /** Asked in the midst of a save, by a process that is killed before it hears the answer, and by one that refuses. */
    const refusing = async (before: State, after: State, changes?: ReturnType<typeof adding>) => {
      let read: Promise<State> | undefined
      await file.write(after, changes, () => {
        const copy = `${path}.copy-${++copies}`
        for (const name of ['', '.journal']) {
          if (existsSync(path + name)) copyFileSync(path + name, copy + name)
        }
        read = new StateFile(copy).open(noProblem)
        return false
      })
      expect(plain((await read)!)).toEqual(plain(before))
      expect(readdirSync(dirname(path)).filter((name) => /\d{6}$/.test(name))).toEqual([])
    }
    await refusing(empty, first, adding(FILTER))
    await file.write(first, adding(FILTER))
    await refusing(first, both, adding(other))
    await refusing(first, both)
    await refusing(first, both, adding(other))
    const bytes = readFileSync(`${path}.journal`)
    await file.write(both, adding(other))
    expect(readFileSync(`${path}.journal`).subarray(0, bytes.length)).toEqual(bytes)
    expect(plain(await new StateFile(path).open(noProblem))).toEqual(plain(both))
  })
})
