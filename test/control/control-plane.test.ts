import { EventEmitter, once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ControlPlane } from '../../src/control/control-plane.js'
import { createFilter, deleteFilter } from '../../src/control/filters.js'
import { Refusal } from '../../src/control/refusal.js'
import type { Change } from '../../src/control/state.js'
import { StateFile } from '../../src/control/state-file.js'
import { OperatorError } from '../../src/errors.js'
import { FILTER, SESSION, TARGET } from '../mirror/sample-resources.js'

const NOTHING = { description: undefined, tags: [] }
const noProblem = (line: string) => expect.unreachable(line)

function temporaryFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'mirrortap-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'state.json')
}

describe('ControlPlane.change', () => {
  test('is there, and was told, when it is answered', async () => {
    const told: Change[] = []
    const plane = await ControlPlane.open({ onProblem: noProblem })
    plane.follow((changes) => void told.push(...changes))
    const filter = await plane.change((draft) => createFilter(draft, NOTHING))
    expect(plane.resources.filters.get(filter.id)).toBe(filter)
    expect(told).toEqual([{ table: 'filters', id: filter.id, before: undefined, after: filter }])
    await plane.change((draft) => deleteFilter(draft, filter.id))
    expect(plane.resources.filters.size).toBe(0)
    expect(told[1]).toEqual({ table: 'filters', id: filter.id, before: filter, after: undefined })
  })

  test('tells what is saved together as one list, to every listener', async () => {
    const plane = await ControlPlane.open({ onProblem: noProblem })
    const lists: (readonly Change[])[] = []
    plane.follow((changes) => void lists.push(changes))
    plane.follow((changes) => void lists.push(changes))
    const asked = [1, 2, 3].map(() => plane.change((draft) => createFilter(draft, NOTHING).id))
    const ids = await Promise.all(asked)
    expect(lists.map((changes) => changes.map(({ id }) => id))).toEqual([ids, ids])
  })

  test('waits for the listener, and starts nothing else meanwhile', async () => {
    const events: string[] = []
    let release = (): void => undefined
    const plane = await ControlPlane.open({ onProblem: noProblem })
    plane.follow(() => {
      events.push('told')
      return new Promise<void>((resolve) => {
        release = resolve
      })
    })
    const first = plane.change((draft) => createFilter(draft, NOTHING))
    await new Promise(setImmediate)
    const second = plane.change((draft) => {
      events.push('second begins')
      return createFilter(draft, NOTHING)
    })
    void first.then(() => events.push('first answered'))
    await new Promise(setImmediate)
    expect(events).toEqual(['told'])
    release()
    await first
    await new Promise(setImmediate)
    release()
    await second
    expect(events.slice(0, 4).sort()).toEqual(['first answered', 'second begins', 'told', 'told'])
  })

  test('is answered where the listener hangs, and nothing else is changed until it does not', async () => {
    const gate = new EventEmitter()
    let isHanging = true
    const plane = await ControlPlane.open({
      onProblem: noProblem,
      patienceMs: 20,
    })
    plane.follow(async () => void (isHanging && (await once(gate, 'open'))))
    const make = () => plane.change((draft) => createFilter(draft, NOTHING))
    const none = plane.change(() => {
      throw new Refusal('InvalidID', 'There is none')
    })
    await expect(Promise.allSettled([make(), none])).resolves.toMatchObject([
      { reason: { message: expect.stringMatching(/^The change is made and saved, /) } },
      { reason: { message: 'There is none' } },
    ])
    await expect(make()).rejects.toThrow(/ this one was not made$/)
    expect(plane.resources.filters.size).toBe(1)
    isHanging = false
    gate.emit('open')
    await make()
    expect(plane.resources.filters.size).toBe(2)
  })

  test('is refused where the disk hangs before it counts, and is made where it hangs after', async () => {
    const problems: string[] = []
    const stateFile = temporaryFile()
    const plane = await ControlPlane.open({
      stateFile,
      patienceMs: 300,
      onProblem: (line) => problems.push(line),
    })
    const told: Change[] = []
    plane.follow((changes) => void told.push(...changes))
    const { write } = StateFile.prototype
    onTestFinished(() => void vi.restoreAllMocks())
    let thaw = (): void => undefined
    const hang = () => new Promise<void>((resolve) => (thaw = resolve))
    const spy = vi.spyOn(StateFile.prototype, 'write')
    const make = () => plane.change((draft) => createFilter(draft, NOTHING))

    spy.mockImplementationOnce(async function (this: StateFile, state, changes, mayCommit) {
      await hang()
      return write.call(this, state, changes, mayCommit)
    })
    await expect(make()).rejects.toThrow('The change cannot be saved and was not made')
    thaw()
    spy.mockImplementationOnce(async function (this: StateFile, state, changes, mayCommit) {
      expect(mayCommit!()).toBe(true)
      await write.call(this, state, changes)
      await hang()
    })
    await expect(make()).rejects.toThrow(/^The change is made, but it is not known to be saved, /)
    await expect(make()).rejects.toThrow(/ this one was not made$/)
    thaw()
    // Where the disk is slow beside other tests, it may take another.
    await vi.waitFor(make, { timeout: 60_000 })
    await plane.close()
    expect(plane.resources.filters.size).toBeGreaterThanOrEqual(2)
    expect(told.length).toBe(plane.resources.filters.size)
    const saved = await ControlPlane.open({ stateFile, onProblem: noProblem })
    expect([...saved.resources.filters.keys()]).toEqual([...plane.resources.filters.keys()])
    expect(problems.slice(0, 1)).toEqual([expect.stringMatching(/the API refuses changes$/)])
    expect(problems.at(-1)).toBe('the state is saved again; the API takes changes')
  })

  test('is nothing when it throws, whatever it had begun', async () => {
    const told: Change[] = []
    const plane = await ControlPlane.open({ onProblem: noProblem })
    plane.follow((changes) => void told.push(...changes))
    const before = plane.resources
    const failing = plane.change((draft) => {
      createFilter(draft, NOTHING)
      throw new Refusal('InvalidID', 'no')
    })
    const working = plane.change((draft) => createFilter(draft, NOTHING))
    await expect(failing).rejects.toThrow('no')
    const filter = await working
    expect([...plane.resources.filters.keys()]).toEqual([filter.id])
    expect(before.filters.size).toBe(0)
    expect(told.length).toBe(1)
  })

  test('sees those asked for before it, of the same turn too', async () => {
    const plane = await ControlPlane.open({ onProblem: noProblem })
    const made = plane.change((draft) => createFilter(draft, NOTHING))
    const seen = plane.change((draft) => [...draft.resources.filters.keys()])
    expect(await seen).toEqual([(await made).id])
  })

  test('is made however many turns after the one before it is asked for', async () => {
    const plane = await ControlPlane.open({ onProblem: noProblem })
    for (let turns = 0; turns < 12; turns++) {
      await plane.change((draft) => createFilter(draft, NOTHING))
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      await plane.change((draft) => createFilter(draft, NOTHING))
    }
    expect(plane.resources.filters.size).toBe(24)
  })

  test('is seen by nobody until it is saved, and undone when it cannot be', async () => {
    const path = temporaryFile()
    const problems: string[] = []
    const plane = await ControlPlane.open({
      stateFile: path,
      onProblem: (line) => problems.push(line),
    })
    plane.follow(() => expect.unreachable('told of what was not saved'))
    // A directory cannot be replaced by a file, whoever asks.
    rmSync(path)
    mkdirSync(path)
    for (let round = 0; round < 3; round++) {
      const asked = plane.change((draft) => createFilter(draft, NOTHING))
      expect(plane.resources.filters.size).toBe(0)
      await expect(asked).rejects.toMatchObject({ code: 'ServiceUnavailable' })
    }
    expect(plane.resources.filters.size).toBe(0)
    expect(problems.length).toBe(1)
    expect(problems[0]).toContain(path)
  })

  test('works again when the disk does, and says so once', async () => {
    const path = temporaryFile()
    const problems: string[] = []
    const plane = await ControlPlane.open({
      stateFile: path,
      onProblem: (line) => problems.push(line),
    })
    rmSync(path)
    mkdirSync(path)
    await expect(plane.change((draft) => createFilter(draft, NOTHING))).rejects.toThrow(Refusal)
    rmdirSync(path)
    const filters = await Promise.all(
      [1, 2].map(() => plane.change((draft) => createFilter(draft, NOTHING))),
    )
    expect(problems.length).toBe(2)
    const again = await ControlPlane.open({ stateFile: path, onProblem: noProblem })
    expect([...again.resources.filters.keys()]).toEqual(filters.map(({ id }) => id))
  })

  test('throws on what is a mistake of ours, and goes on', async () => {
    const plane = await ControlPlane.open({ onProblem: noProblem })
    const bug = plane.change(() => {
      throw new TypeError('bug')
    })
    await expect(bug).rejects.toThrow(TypeError)
    await plane.change((draft) => createFilter(draft, NOTHING))
    await plane.close()
  })
})

describe('ControlPlane.close', () => {
  test('leaves the state file whole, without a journal', async () => {
    const stateFile = temporaryFile()
    const plane = await ControlPlane.open({ stateFile, onProblem: noProblem })
    const filter = await plane.change((draft) => createFilter(draft, NOTHING))
    expect(readFileSync(`${stateFile}.journal`, 'utf8')).toContain(filter.id)
    await plane.close()
    expect(readFileSync(stateFile, 'utf8')).toContain(filter.id)
    expect(existsSync(`${stateFile}.journal`)).toBe(false)
  })
})

describe('ControlPlane.declare', () => {
  const declaration = { targets: [TARGET], filters: [FILTER], sessions: [SESSION] }

  test('adds resources that are not saved and that the API cannot change', async () => {
    const stateFile = temporaryFile()
    const plane = await ControlPlane.open({ stateFile, onProblem: noProblem })
    plane.declare(declaration)
    expect(plane.resources.sessions.get(SESSION.id)).toBe(SESSION)
    await expect(
      plane.change((draft) => draft.remove('sessions', SESSION.id)),
    ).rejects.toMatchObject({
      code: 'OperationNotPermitted',
    })
    const own = await plane.change((draft) => createFilter(draft, NOTHING))
    const again = await ControlPlane.open({ stateFile, onProblem: noProblem })
    expect([...again.resources.filters.keys()]).toEqual([own.id])
    expect(again.resources.sessions.size).toBe(0)
    again.declare(declaration)
    expect(again.resources.sessions.size).toBe(1)
  })

  test('may have ids that people make up, for saved sessions to name', async () => {
    const stateFile = temporaryFile()
    const named = {
      targets: [{ ...TARGET, id: 'tmt-sensor' }],
      filters: [{ ...FILTER, id: 'tmf-web' }],
    }
    const session = { ...SESSION, targetId: 'tmt-sensor', filterId: 'tmf-web' }
    const plane = await ControlPlane.open({ stateFile, onProblem: noProblem })
    plane.declare(named)
    await plane.change((draft) => draft.put('sessions', session))
    const again = await ControlPlane.open({ stateFile, onProblem: noProblem })
    again.declare(named)
    expect(again.resources.sessions.get(session.id)).toEqual(session)
  })

  test('wins over a saved resource of its id, and says so', async () => {
    const stateFile = temporaryFile()
    const problems: string[] = []
    const plane = await ControlPlane.open({ stateFile, onProblem: noProblem })
    await plane.change((draft) => draft.put('filters', { ...FILTER, description: 'saved' }))
    const again = await ControlPlane.open({ stateFile, onProblem: (line) => problems.push(line) })
    again.declare(declaration)
    expect(again.resources.filters.get(FILTER.id)).toBe(FILTER)
    expect(problems).toEqual([expect.stringContaining(FILTER.id)])
  })

  test('keeps a saved session whose filter is declared no longer, and says so', async () => {
    const stateFile = temporaryFile()
    const problems: string[] = []
    const plane = await ControlPlane.open({ stateFile, onProblem: noProblem })
    plane.declare({ targets: [TARGET], filters: [FILTER] })
    await plane.change((draft) => draft.put('sessions', SESSION))
    const again = await ControlPlane.open({ stateFile, onProblem: (line) => problems.push(line) })
    again.declare({ targets: [TARGET] })
    expect(again.resources.sessions.get(SESSION.id)).toEqual(SESSION)
    expect(problems).toEqual([
      `The traffic mirror filter ID '${FILTER.id}' does not exist: ${SESSION.id} mirrors nothing until it is modified or deleted`,
    ])
  })

  const second = { ...SESSION, id: 'tms-00000000000000002' }
  const [rule] = FILTER.rules

  test.each([
    ['a session without its filter', { targets: [TARGET], sessions: [SESSION] }],
    ['a session without its target', { filters: [FILTER], sessions: [SESSION] }],
    ['a session number twice', { ...declaration, sessions: [SESSION, second] }],
    [
      'a target that is a source',
      { ...declaration, targets: [{ ...TARGET, address: SESSION.networkInterfaceId }] },
    ],
    ['a target twice', { targets: [TARGET, { ...TARGET, id: 'tmt-00000000000000002' }] }],
    [
      'a rule number twice',
      { filters: [{ ...FILTER, rules: [rule!, { ...rule!, id: 'tmfr-00000000000000002' }] }] },
    ],
  ])('refuses %s, in a line for the operator, and declares nothing', async (_what, wrong) => {
    const plane = await ControlPlane.open({ onProblem: noProblem })
    const before = plane.resources
    expect(() => plane.declare(wrong)).toThrow(OperatorError)
    expect(() => plane.declare(wrong)).toThrow(/^the configuration cannot be used: .+$/)
    expect(plane.resources).toBe(before)
  })

  test('refuses what a saved resource leaves no room for', async () => {
    const plane = await ControlPlane.open({ onProblem: noProblem })
    plane.declare({ targets: [TARGET], filters: [FILTER] })
    await plane.change((draft) => draft.put('sessions', second))
    expect(() => plane.declare({ sessions: [SESSION] })).toThrow(second.id)
  })
})
