import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { LiveView } from '../../src/cli/top/live-view.js'
import { plainLine, SORTS, screenLines } from '../../src/cli/top/screen.js'
import { LiveFeed, type LiveState } from '../../src/dashboard/live-feed.js'
import { Ledger } from '../../src/session/ledger.js'
import { ALICE, startApi } from '../api/running-api.js'
import { temporaryDirectory } from '../support/temporary.js'
import { runMain } from './run-main.js'

const FIELDS = ['session', 'received', 'bytes', 'captured', 'captureLost', 'cut'] as const

function stateOf(at: number, received: number, more: Partial<LiveState> = {}): LiveState {
  const ledger = new Ledger()
  ledger.received = received
  const { sessions: _, ...totals } = ledger.report({ kernelLost: 0, sessions: [] })
  const common = { failures: [], keepsCaptures: false, workers: [], spaces: [], deliveries: [] }
  return { at, ...common, ledger: totals, fields: FIELDS, all: false, sessions: [], ...more }
}

const LOOK = { sort: 1, from: 0, problem: undefined, api: 'http://127.0.0.1:4780' }

function rowOf(name: string, received: number): (string | number)[] {
  return [name, received, 0, 0, 0, 0]
}

function shown(view: LiveView, look = {}, size = { columns: 80, rows: 24 }): string[] {
  return screenLines(view, { ...LOOK, ...look }, size).map(stripVTControlCharacters)
}

describe('top', () => {
  test('has rates from two states, and drops what is gone', () => {
    const view = new LiveView()
    const sessions = [rowOf('tms-1', 10), rowOf('tms-2', 20)]
    view.take(stateOf(1000, 30, { all: true, sessions }))
    expect([view.rates, plainLine(view)]).toEqual([undefined, undefined])
    view.take(stateOf(3000, 130, { sessions: [rowOf('tms-1', 110)] }))
    expect(view.rates).toEqual({ packets: 50, lost: 0, bits: 0 })
    expect(
      [...view.sessions].map(([name, { packetsPerSecond }]) => [name, packetsPerSecond]),
    ).toEqual([
      ['tms-1', 50],
      ['tms-2', 0],
    ])
    expect(plainLine(view)).toMatch(
      /^1970-01-01T00:00:03.000Z 50 packets\/s 0 bit\/s 130 received, /,
    )
    view.take(stateOf(4000, 130, { gone: ['tms-2'] }))
    expect([...view.sessions.keys()]).toEqual(['tms-1'])
    view.take({ ...stateOf(5000, 0), ledger: undefined, failures: ['it hangs'] } as never)
    expect(plainLine(view)).toMatch(/ 130 received, .*; it hangs$/)
  })

  test.each([
    { columns: 80, rows: 24 },
    { columns: 40, rows: 10 },
    { columns: 200, rows: 60 },
    { columns: 20, rows: 5 },
  ])('fits a screen of $columns x $rows', ({ columns, rows }) => {
    const view = new LiveView()
    const sessions = Array.from({ length: 100 }, (_, index) =>
      rowOf(`vni-${index}_10.0.0.1`, index),
    )
    view.take(
      stateOf(1000, 1, { all: true, sessions, failures: ['a\x1b[31m long failure '.repeat(9)] }),
    )
    const lines = screenLines(view, LOOK, { columns, rows })
    expect(lines).toHaveLength(rows)
    for (const line of lines) {
      expect(stripVTControlCharacters(line).length).toBeLessThanOrEqual(columns)
      expect(line).not.toContain('\x1b[31m long')
    }
  })

  test('sorts by the column chosen and moves through the rows', () => {
    const view = new LiveView()
    const sessions = [rowOf('b', 1), rowOf('a', 9), rowOf('c', 5)]
    view.take(stateOf(1000, 15, { all: true, sessions }))
    const names = (look: object) => {
      const lines = shown(view, look, { columns: 80, rows: 40 })
      const heading = lines.findIndex((line) => line.startsWith('session '))
      return lines.slice(heading + 1, heading + 4).map((line) => line[0])
    }
    expect(names({ sort: SORTS.indexOf('session') })).toEqual(['a', 'b', 'c'])
    expect(names({ sort: SORTS.indexOf('received') })).toEqual(['a', 'c', 'b'])
    expect(shown(view, { from: 2 }, { columns: 80, rows: 9 }).join('\n')).toContain('3–3 of 3')
  })

  test.each([
    ['nobody there', ['--api', 'http://127.0.0.1:1'], /^mirrortap: no answer from \S+: .*\n$/],
    ['no profile of that name', ['--profile', 'nobody'], /has no profile nobody\n$/],
    ['no file', ['--credentials', '/nowhere'], /cannot read the credentials \/nowhere: /],
  ])('says in one line that there is %s', async (_, args, says) => {
    const credentials = join(temporaryDirectory(), 'credentials')
    writeFileSync(credentials, '[alice]\naws_access_key_id = A\naws_secret_access_key = b\n')
    const { code, out, err } = await runMain('top', '--credentials', credentials, ...args)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toMatch(says)
    expect(err.match(/\n/g)).toHaveLength(1)
  })

  test('signs with the key of the profile, and says when it is not the right one', async () => {
    const ledger = async () => new Ledger().report({ kernelLost: 0, sessions: [] })
    const progress = () => ({ workers: [], waitingMs: {} })
    const facts = {
      progress,
      spaces: () => [],
      deliveries: () => [],
      ledger,
      talkers: async () => undefined,
    }
    const feed = new LiveFeed({ facts, everyMs: 5 })
    onTestFinished(() => feed.close())
    const { url } = await startApi({ routes: [feed.route] })
    const credentials = join(temporaryDirectory(), 'credentials')
    const { accessKeyId, secretAccessKey } = ALICE
    writeFileSync(
      credentials,
      `[mallory]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = wrong\n` +
        `[alice]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`,
    )
    const args = ['top', '--api', url, '--credentials', credentials, '--updates', '3']
    const { code, err } = await runMain(...args)
    expect(code).toBe(1)
    expect(err).toMatch(/requires its access keys \(401\): are --credentials, [^\n]+\n$/)
    const right = await runMain(...args, '--profile', 'alice')
    expect(right).toMatchObject({ code: 0, err: '' })
    expect(right.out.trimEnd().split('\n')).toHaveLength(2)
  })
})
