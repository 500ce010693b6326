import { PassThrough, Writable } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type LiveFacts, LiveFeed } from '../../src/dashboard/live-feed.js'
import { Ledger, type LedgerReport, type SessionReport } from '../../src/session/ledger.js'
import { until } from '../e2e/program.js'
import { sessionReport } from '../support/session-report.js'

function sessionOf(session: string, received: number): SessionReport {
  return sessionReport({ session, vni: 7, received })
}

interface Told {
  event: string
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into any part of what is told.
  data: any
}

function toldIn(text: string): Told[] {
  return text
    .split('\n\n')
    .slice(0, -1)
    .map((block) => {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(block)!
      return { event: event!, data: JSON.parse(data!) }
    })
}

/** A feed of what `sessions` returns, and what a reader of it has read. */
function started(
  ledger: () => Promise<LedgerReport>,
  viewersMax = 64,
  talkers: LiveFacts['talkers'] = async () => undefined,
) {
  const feed = new LiveFeed({
    facts: {
      progress: () => ({ workers: [{ worker: 1, silentMs: 5000 }], waitingMs: {} }),
      spaces: () => [],
      deliveries: () => [],
      talkers,
      ledger,
    },
    everyMs: 1,
    viewersMax,
  })
  onTestFinished(() => feed.close())
  const read = (to: Writable = new PassThrough()) => {
    const page = feed.route.answer({} as never)
    if (page instanceof Promise || !('send' in page)) return { status: (page as never)['status'] }
    let text = ''
    to.on('data', (bytes) => {
      text += bytes
    })
    page.send(to)
    return { told: () => toldIn(text), to }
  }
  return { feed, read }
}

function reportOf(sessions: SessionReport[]): Promise<LedgerReport> {
  return Promise.resolve(new Ledger().report({ kernelLost: 0, sessions }))
}

describe('LiveFeed', () => {
  test('tells every session first, and then those that have changed or gone', async () => {
    let sessions = [sessionOf('tms-1', 1), sessionOf('tms-2', 5)]
    const { told } = started(() => reportOf(sessions.map((one) => ({ ...one })))).read()
    const states = () => told!().filter(({ event }) => event === 'state')
    await until(() => states().length > 0)
    expect(told!()[0]).toMatchObject({ event: 'history', data: { rows: [] } })
    const { fields, all, sessions: rows, failures } = states()[0]!.data
    expect({ all, names: rows.map((row: unknown[]) => row[0]) }).toEqual({
      all: true,
      names: ['tms-1', 'tms-2'],
    })
    expect(fields.slice(0, 4)).toEqual(['session', 'vni', 'source', 'received'])
    expect(failures).toEqual(['receiving thread 1 has not answered for 5 s'])

    sessions = [sessionOf('tms-1', 2)]
    const changed = await until(() => states().find(({ data }) => data.gone?.length > 0))
    expect(changed.data).toMatchObject({ all: false, gone: ['tms-2'] })
    expect(changed.data.sessions.map((row: unknown[]) => [row[0], row[3]])).toEqual([['tms-1', 2]])
    const still = await until(() => states().find(({ data }) => data.at > changed.data.at))
    expect(still.data).toMatchObject({ sessions: [], gone: [] })
  })

  test('has the totals of before for whoever comes later', async () => {
    const { read } = started(() => reportOf([]))
    const first = read()
    await until(() => first.told!().length > 3)
    const [history] = read().told!()
    expect(history!.data.columns).toEqual(['at', 'received', 'kernelLost', 'bytes'])
    expect(history!.data.rows.length).toBeGreaterThan(1)
  })

  test('goes on without a ledger while a thread hangs, and asks it once', async () => {
    let asked = 0
    const { told } = started(() => {
      asked++
      return new Promise(() => undefined)
    }).read()
    await until(() => told!().length > 5)
    expect(told!().at(-1)!.data).toMatchObject({ failures: [expect.stringContaining('thread 1')] })
    expect(told!().at(-1)!.data).not.toHaveProperty('ledger')
    expect(asked).toBe(1)
  })

  test('keeps nothing for a reader that does not read, who gets a whole state later', async () => {
    const name = 'x'.repeat(2000)
    const sessions = Array.from({ length: 1000 }, (_, index) => sessionOf(name + index, index))
    const { read } = started(() => reportOf(sessions))
    let isReading = false
    const waiting: (() => void)[] = []
    const texts: string[] = []
    const slow = new Writable({
      write(bytes, _, done) {
        texts.push(String(bytes))
        if (isReading) done()
        else waiting.push(done)
      },
    })
    read(slow)
    const { told } = read()
    await until(() => told!().filter(({ event }) => event === 'state').length > 10)
    expect(slow.writableLength).toBeLessThan(4 * 1024 * 1024)
    isReading = true
    for (const done of waiting) done()
    const wholes = () => toldIn(texts.join('')).filter(({ data }) => data.all === true)
    await until(() => wholes().length === 2)
    expect(wholes()[1]!.data.sessions).toHaveLength(1000)
  })

  test('tells top talkers to all, and the latest at once to whoever comes later', async () => {
    let looks = 0
    const talkers = async () => (++looks === 1 ? undefined : { rows: [], addresses: looks })
    const { read } = started(() => reportOf([]), 64, talkers)
    const first = read()
    const told = () => first.told!().filter(({ event }) => event === 'talkers')
    await until(() => told().length > 1)
    expect(told()[0]!.data).toEqual({ rows: [], addresses: 2 })
    expect(read().told!().map(({ event }) => event)).toEqual(['history', 'talkers'])
  })

  test('has a bound of readers, and room again when one leaves', async () => {
    const { read } = started(() => reportOf([]), 1)
    const { to } = read()
    expect(read().status).toBe(503)
    to!.destroy()
    await until(() => read().told !== undefined)
  })
})
