import { afterEach, describe, expect, test } from 'vitest'
import type { CapturedFlows } from '../../src/appliance/captured-flows.js'
import { Pool, type PoolOptions } from '../../src/appliance/pool.js'
import type { Change } from '../../src/control/state.js'
import { OperatorError } from '../../src/errors.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { Ledger } from '../../src/session/ledger.js'

/**
 * Stands in for src/appliance/worker.ts, which needs sockets: answers as that does, or as the
 * capture directory it is given says. Reports count the orders it has had.
 */
const ACTOR = `
  import { parentPort, workerData } from 'node:worker_threads'
  const tell = (notice) => parentPort.postMessage(notice)
  const { index, receiver, column } = workerData
  const role = column.roles[index] ?? ''
  const orders = []
  let waiting
  const report = () => ({
    ...${JSON.stringify(new Ledger().report({ kernelLost: 0, sessions: [] }))},
    received: index + 1, kernelLost: role === 'no-proc' ? null : 10, accepted: index + 1,
    flows: { live: 1, capacity: 5, ended: {}, emergencies: 0, inEmergency: false,
      recordsWritten: 0, recordsLost: 0, longestPauseMs: index },
  })
  const failed = () => tell({ type: 'failed', message: 'the disk is on fire', code: 'ERR_FAILED' })
  parentPort.on('message', ({ type, id, request, changes }) => {
    orders.push(type)
    if (role === 'dies at ' + type) process.exit(3)
    if (role === 'leaves at ' + type) process.exit(0)
    if (role === 'throws at ' + type) throw new TypeError('a bug of ours')
    if (role === 'fails at ' + type) return failed()
    if (type === 'steer') tell({ type: 'steered' })
    if (type === 'change') {
      tell({ type: 'problem', line: index + ': ' + changes.map((change) => change.id).join(' ') })
      const changed = () => tell({ type: 'changed' })
      if (role === 'is slow') setTimeout(changed, 20)
      else changed()
    }
    if (type === 'report') {
      tell({ type: 'problem', line: index + ': ' + orders.join(' ') })
      tell({ type: 'report', report: report() })
    }
    if (type === 'talkers') {
      const row = { session: 's', sentBytes: 1, receivedBytes: 2, connections: 1 }
      const rows = [{ ...row, address: '10.0.0.1' }, { ...row, address: '10.0.1.' + index }]
      tell({ type: 'talkers', talkers: role === 'looks once' ? undefined : { rows, addresses: 2 } })
    }
    if (type === 'capture-flows' || type === 'flush-flows') {
      const found = () => {
        const rows = new ArrayBuffer(88 * 2)
        const words = new Uint32Array(rows)
        words[2] = request.minimumAgeSeconds
        const labels = [{ sessionName: type + ' ' + index, vni: index, source: null }]
        tell({ type: 'flows', id, batch: { rows, count: 2, labels } })
        const reason = role === 'has doubts' ? 'there are doubts' : null
        const status = reason === null ? 'COMPLETED' : 'COMPLETED_WITH_ERRORS'
        tell({ type: 'flows-done', id, outcome: { status, reason } })
      }
      // The later of two is done first.
      if (request.minimumAgeSeconds === 1) waiting = found
      else {
        found()
        waiting?.()
      }
    }
    if (type === 'stop') {
      tell({ type: 'done', report: report() })
      parentPort.close()
    }
  })
  if (role === 'cannot open') failed()
  else if (role === 'is broken') throw new TypeError('a bug of ours')
  else {
    const port = receiver.port || 40_000
    tell({ type: 'ready', receiver: 'recvmmsg', port, genevePort: receiver.genevePort, receiveBufferBytes: 1, sockets: [] })
  }
`
const ENTRY = new URL(`data:text/javascript,${encodeURIComponent(ACTOR)}`)

const pools: Pool[] = []
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.stop().catch(() => undefined)
})

/** A pool of actors, one for each role; what it says is added to `said`. */
async function start(roles: readonly string[], said: (string | Error)[] = []): Promise<Pool> {
  const options: PoolOptions = {
    workers: roles.length,
    steer: 'vni',
    column: {
      sessionKey: 'vni',
      unknownSessions: 'accept',
      duplicates: 'keep',
      maxSessions: 1,
      maxFlows: 1,
      sessionQuota: 1,
      lifetime: LIFETIMES.nfw,
      ...{ roles },
    },
    receiver: {
      choice: 'auto',
      host: '127.0.0.1',
      port: 0,
      genevePort: undefined,
      receiveBufferBytes: 1,
    },
    onProblem: (line) => said.push(line),
    onFailure: (error) => said.push(error),
  }
  const pool = await Pool.start(options, ENTRY)
  pools.push(pool)
  return pool
}

describe('Pool', () => {
  test('has the workers share the port that the first was given, steered once by the first', async () => {
    const said: (string | Error)[] = []
    const pool = await start(['', '', ''], said)
    expect(pool.listening).toMatchObject({ receiver: 'recvmmsg', port: 40_000 })
    await pool.report()
    expect(said.sort()).toEqual(['0: steer report', '1: report', '2: report'])
  })

  test('steers nothing for one worker', async () => {
    const said: (string | Error)[] = []
    await (await start([''], said)).report()
    expect(said).toEqual(['0: report'])
  })

  test('joins the talkers of all that know some', async () => {
    const pool = await start(['', 'looks once', '', 'dies at talkers'])
    const of = (address: string, times: number) => ({
      session: 's',
      address,
      sentBytes: times,
      receivedBytes: 2 * times,
      connections: times,
    })
    const rows = [of('10.0.0.1', 2), of('10.0.1.0', 1), of('10.0.1.2', 1)]
    expect(await pool.talkers()).toEqual({ rows, addresses: 3 })
  })

  test.each(['report', 'stop'] as const)('adds up what the workers answer: %s', async (what) => {
    const pool = await start(['', '', ''])
    expect(await pool[what]()).toMatchObject({
      received: 6,
      kernelLost: 30,
      flows: { live: 3, capacity: 15, longestPauseMs: 2 },
    })
  })

  test('does not know the loss when one worker does not', async () => {
    expect(await (await start(['', 'no-proc'])).report()).toMatchObject({ kernelLost: null })
  })

  test.each([
    { roles: ['cannot open'], error: OperatorError, says: 'the disk is on fire' },
    { roles: ['', 'cannot open'], error: OperatorError, says: 'the disk is on fire' },
    { roles: ['', 'is broken'], error: TypeError, says: 'a bug of ours' },
    { roles: ['fails at steer', ''], error: OperatorError, says: 'the disk is on fire' },
    { roles: ['dies at steer', ''], error: Error, says: 'a receiving thread ended with code 3' },
    { roles: ['leaves at steer', ''], error: Error, says: 'ended with code 0' },
  ])('does not start when one of them cannot: $roles', async ({ roles, error, says }) => {
    const starting = start(roles)
    await expect(starting).rejects.toThrow(error)
    await expect(starting).rejects.toThrow(says)
  })

  test('reports what is left when one fails for good, and says so once', async () => {
    const said: (string | Error)[] = []
    const pool = await start(['fails at report', ''], said)
    expect(await pool.report()).toMatchObject({ received: 2 })
    expect(await pool.stop()).toMatchObject({ received: 2 })
    const errors = said.filter((item) => typeof item !== 'string')
    expect(errors).toEqual([expect.any(OperatorError)])
    expect(errors[0]!.message).toContain('the disk is on fire')
  })

  test.each([
    { role: 'throws at report', says: 'TypeError: a bug of ours' },
    { role: 'dies at report', says: 'a receiving thread ended with code 3' },
    { role: 'leaves at report', says: 'a receiving thread ended with code 0' },
  ])('starts another in the place of one that $role, and says so', async ({ role, says }) => {
    const said: (string | Error)[] = []
    const pool = await start([role, ''], said)
    expect(await pool.report()).toMatchObject({ received: 2 })
    await expect
      .poll(() => said.map(String), { timeout: 60_000 })
      .toContain('receiving thread 1 receives again')
    const crashed = said.map(String).filter((line) => line.includes('crashed'))
    expect(crashed).toEqual([
      expect.stringContaining('receiving thread 1 crashed and is started again: '),
    ])
    expect(crashed[0]).toContain(says)
    expect(await pool.stop()).toMatchObject({ received: 3, workerRestarts: 1 })
  })

  test.each(['fails at stop', 'dies at stop', 'leaves at stop'])(
    'says that one %s, and sums up the others',
    async (role) => {
      const said: (string | Error)[] = []
      const pool = await start(['', role], said)
      expect(await pool.stop()).toMatchObject({ received: 1 })
      expect(said).toEqual([expect.any(Error)])
    },
  )

  test('asks nothing of workers that were told to stop', async () => {
    const said: (string | Error)[] = []
    const pool = await start(['', ''], said)
    const stopped = pool.stop()
    const asked = { minimumAgeSeconds: 0, filters: [], atSeconds: 0, atNanoseconds: 0 }
    await expect(pool.apply([])).rejects.toThrow('told to stop')
    await expect(pool.captureFlows(asked)).rejects.toThrow('told to stop')
    expect(await pool.report()).toBe(await stopped)
    expect(said).toEqual([])
  })

  const changeOf = (id: string): Change => ({
    table: 'sessions',
    id,
    before: undefined,
    after: undefined,
  })

  test('has every worker follow a change before it says so, one after the other', async () => {
    const said: (string | Error)[] = []
    const pool = await start(['', 'is slow', ''], said)
    const order: string[] = []
    const followed = (name: string) =>
      order.push(name, ...said.map(String).filter((line) => line.endsWith(name)))
    await Promise.all([
      pool.apply([changeOf('x'), changeOf('a')]).then(() => followed('a')),
      pool.apply([changeOf('b')]).then(() => followed('b')),
    ])
    expect([order[0], ...order.slice(1, 4).sort()]).toEqual(['a', '0: x a', '1: x a', '2: x a'])
    expect([order[4], ...order.slice(5).sort()]).toEqual(['b', '0: b', '1: b', '2: b'])
  })

  test('a change told to one that dies is followed by the one in its place', async () => {
    const said: (string | Error)[] = []
    const pool = await start(['', 'dies at change'], said)
    await pool.apply([changeOf('a')])
    expect(said.map(String)).toContain('receiving thread 2 receives again')
  })

  test('says that a change was not followed by all when one worker has failed for good', async () => {
    const pool = await start(['', 'fails at change'])
    await expect(pool.apply([changeOf('a')])).rejects.toThrow('the disk is on fire')
    await expect(pool.apply([changeOf('b')])).rejects.toThrow('the disk is on fire')
  })

  const asked = (minimumAgeSeconds: number) => ({
    minimumAgeSeconds,
    filters: [],
    atSeconds: 0,
    atNanoseconds: 0,
  })
  const listed = (flows: CapturedFlows) =>
    [...flows].map((row) => `${row.sessionName}: ${row.destinationPort}`).sort()

  test.each(['captureFlows', 'flushFlows'] as const)(
    '%s has the rows of all workers, and several may be under way',
    async (what) => {
      const pool = await start(['', ''])
      const [first, second] = await Promise.all([pool[what](asked(1)), pool[what](asked(2))])
      const order = what === 'captureFlows' ? 'capture-flows' : 'flush-flows'
      expect(first).toMatchObject({ status: 'COMPLETED', reason: null })
      const expected = (age: number) => [
        `${order} 0: 0`,
        `${order} 0: ${age}`,
        `${order} 1: 0`,
        `${order} 1: ${age}`,
      ]
      expect(listed(first.flows)).toEqual(expected(1))
      expect(listed(second.flows)).toEqual(expected(2))
    },
  )

  test.each([
    { roles: ['', 'has doubts'], limit: 4, rows: 4, reason: 'there are doubts' },
    { roles: ['', ''], limit: 3, rows: 2, reason: 'More flows matched than a result may hold' },
    { roles: ['', 'dies at capture-flows'], rows: 2, reason: 'A receiving thread has failed' },
    { roles: ['', 'leaves at capture-flows'], rows: 2, reason: 'A receiving thread has failed' },
  ])('says why flows may be missing: $reason', async ({ roles, limit, rows, reason }) => {
    const pool = await start(roles)
    const { flows, ...outcome } = await pool.captureFlows(asked(2), limit)
    expect(outcome).toEqual({ status: 'COMPLETED_WITH_ERRORS', reason })
    expect(flows.length).toBe(rows)
  })

  test('rejects a flow capture when no worker answers', async () => {
    const pool = await start(['fails at capture-flows', 'dies at capture-flows'])
    await expect(pool.captureFlows(asked(2))).rejects.toThrow('the disk is on fire')
  })

  test('reports what was counted when none is left', async () => {
    const pool = await start(['fails at report'])
    expect(await pool.report()).toMatchObject({ received: 0, flows: { live: 0 } })
    expect(await pool.stop()).toMatchObject({ received: 0 })
  })
})
