import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openCloudWatchLogs } from '../../src/deliver/cloudwatch-logs.js'
import type { JsonFault } from '../support/aws-json-server.js'
import { CloudWatchLogsServer } from '../support/cloudwatch-logs-server.js'
import { deliverTo } from '../support/delivery.js'
import {
  fillQueue,
  QUEUE_HEADER,
  type Queued,
  queueFile,
  someRecords,
} from '../support/queue-files.js'
import { temporaryDirectory } from '../support/temporary.js'

afterEach(() => vi.unstubAllEnvs())

const GROUP = '/flow/logs'

function deliver(server: CloudWatchLogsServer, directory: string, silenceMs?: number) {
  const timing = silenceMs === undefined ? {} : { silenceMs }
  return deliverTo(server.environment, directory, () =>
    openCloudWatchLogs({ group: GROUP, region: 'us-east-1', ...timing }),
  )
}

/** As the server has them. */
function eventsOf(files: readonly (readonly Queued[])[]): string[] {
  return files
    .flat()
    .map(({ source, start, line }) => `${source}-all ${start * 1000} ${line}`)
    .sort()
}

const FILES = [someRecords(50, 'a'), [], someRecords(1, 'b'), someRecords(200, 'c', 20)]

describe('CloudWatch Logs', () => {
  test('gets each record as an event in the stream of its interface, and the files go', async () => {
    const server = await CloudWatchLogsServer.start()
    const directory = temporaryDirectory()
    fillQueue(directory, FILES)
    const { delivery, lines } = await deliver(server, directory)
    await delivery.drained()
    await delivery.stop()
    expect(server.events(GROUP)).toEqual(eventsOf(FILES))
    expect(readdirSync(directory)).toEqual([])
    expect(lines).toEqual([])
  })

  test('gets records of unknown interfaces in a stream of their own', async () => {
    const server = await CloudWatchLogsServer.start()
    const directory = temporaryDirectory()
    const [{ start }] = someRecords(1) as [Queued]
    fillQueue(directory, [
      [
        { source: '-', start, line: '2 a' },
        { source: 'a:b*', start, line: '2 b' },
        { source: 'x'.repeat(600), start, line: '2 c' },
      ],
    ])
    const { delivery } = await deliver(server, directory)
    await delivery.drained()
    await delivery.stop()
    expect(server.events(GROUP)).toEqual(
      [
        `a_b_-all ${start * 1000} 2 b`,
        `unknown-all ${start * 1000} 2 a`,
        `${'x'.repeat(508)}-all ${start * 1000} 2 c`,
      ].sort(),
    )
  })

  test('gets batches within every limit of a call', async () => {
    const server = await CloudWatchLogsServer.start()
    const directory = temporaryDirectory()
    const now = Math.floor(Date.now() / 1000)
    const files = [
      // More events than a call takes, of one interface.
      someRecords(25_000, 'many', 1),
      // More bytes than a call takes, each in two bytes of UTF-8.
      someRecords(40, 'long', 1).map((one) => ({ ...one, line: one.line + 'é'.repeat(50_000) })),
      // Over twelve days, newest first.
      Array.from({ length: 100 }, (_, index) => ({
        source: 'eni-1',
        start: now - index * 10_000,
        line: `2 old-${index}`,
      })),
    ]
    fillQueue(directory, files)
    const { delivery } = await deliver(server, directory)
    await delivery.drained()
    await delivery.stop()
    expect(server.events(GROUP)).toEqual(eventsOf(files))
    expect(Math.max(...server.batches)).toBe(10_000)
  })

  test('counts events that it refuses for their age, and gets the others', async () => {
    const server = await CloudWatchLogsServer.start()
    const directory = temporaryDirectory()
    const now = Math.floor(Date.now() / 1000)
    const at = (start: number, line: string) => ({ source: 'eni-1', start, line })
    fillQueue(directory, [
      [
        at(now, '2 good'),
        at(now + 10_000, '2 new'),
        at(now - 15 * 86_400, '2 old'),
        at(now - 16 * 86_400, '2 older'),
      ],
    ])
    const { delivery } = await deliver(server, directory)
    await delivery.drained()
    await delivery.stop()
    expect(server.events(GROUP)).toEqual([`eni-1-all ${now * 1000} 2 good`])
    expect(delivery.status).toMatchObject({ refusedRecords: 3, deliveredFiles: 1 })
  })

  test.each<{ fault: JsonFault; error: string; says: RegExp }>([
    { fault: 'error', error: 'Unknown error', says: /InternalFailure: as the script says/ },
    { fault: 'throttling', error: 'Rate limited', says: /ThrottlingException: as the script/ },
    { fault: 'unavailable', error: 'Rate limited', says: /ServiceUnavailableException: as the/ },
    { fault: 'access-denied', error: 'Access error', says: /AccessDeniedException: as the/ },
    { fault: 'reset', error: 'Unknown error', says: /ECONNRESET|socket hang up/ },
    { fault: 'no-answer', error: 'Unknown error', says: /ECONNRESET|socket hang up/ },
    { fault: 'stall', error: 'Unknown error', says: /time/i },
  ])('gets everything in the end when every request meets: $fault', async (row) => {
    const server = await CloudWatchLogsServer.start()
    server.always = row.fault
    const directory = temporaryDirectory()
    fillQueue(directory, FILES)
    // A minute would be long for a test.
    const silenceMs = row.fault === 'stall' ? 200 : undefined
    const { delivery, lines } = await deliver(server, directory, silenceMs)
    await expect.poll(() => delivery.status.failures).toBeGreaterThan(2)
    expect(delivery.status).toMatchObject({ error: row.error })
    expect(lines[0]).toMatch(row.says)
    server.always = 'none'
    await delivery.drained()
    await delivery.stop()
    // An answer that was lost makes events come twice.
    expect([...new Set(server.events(GROUP))]).toEqual(eventsOf(FILES))
    expect(delivery.status.error).toBeUndefined()
    expect(readdirSync(directory)).toEqual([])
  })

  test('gets everything although requests fail at random and the group is deleted', async () => {
    const server = await CloudWatchLogsServer.start()
    const kinds: JsonFault[] = ['error', 'throttling', 'reset', 'no-answer', 'none', 'none']
    const seed = Date.now() % 1_000_000
    for (let index = 0; index < 100; index++) {
      server.faults.push(kinds[(seed + index * index * 7) % kinds.length]!)
    }
    server.makeGroup(GROUP)
    const directory = temporaryDirectory()
    fillQueue(directory, FILES)
    const first = await deliver(server, directory)
    await first.delivery.drained()
    await first.delivery.stop()
    expect([...new Set(server.events(GROUP))], `seed ${seed}`).toEqual(eventsOf(FILES))
    server.deleteGroup(GROUP)
    fillQueue(directory, FILES)
    const second = await deliver(server, directory)
    await second.delivery.drained()
    await second.delivery.stop()
    expect([...new Set(server.events(GROUP))], `seed ${seed}`).toEqual(eventsOf(FILES))
  })

  test('gets nothing twice of a file that is tried again behind what was confirmed', async () => {
    const server = await CloudWatchLogsServer.start()
    const directory = temporaryDirectory()
    // Two chunks of a file, and many streams in each.
    const files = [someRecords(30_000, 'a', 30)]
    fillQueue(directory, files)
    // Each request twice in a row: the SDK tries once more before the delivery does.
    for (let index = 0; index < 40; index++) {
      server.faults.push('none', 'none', 'error', 'error')
    }
    const { delivery } = await deliver(server, directory)
    await delivery.drained()
    await delivery.stop()
    expect(delivery.status.failures).toBeGreaterThan(2)
    expect(server.events(GROUP)).toEqual(eventsOf(files))
  })

  const whole = queueFile(someRecords(20_000, 'd', 1))
  test.each([
    { name: 'cut', bytes: whole.subarray(0, whole.length - 100) },
    { name: 'overwritten', bytes: Buffer.concat([whole.subarray(0, -30), Buffer.alloc(30)]) },
    { name: 'no gzip file', bytes: Buffer.from('plain') },
    { name: 'empty', bytes: Buffer.alloc(0) },
    { name: 'without a header', bytes: gzipSync('') },
    { name: 'of other lines', bytes: gzipSync(`${QUEUE_HEADER}eni-1 - 2\n`) },
    { name: 'cut before it was compressed', bytes: gzipSync(`${QUEUE_HEADER}eni-1 1 2`) },
    { name: 'of one endless line', bytes: gzipSync(QUEUE_HEADER + 'x'.repeat(3_000_000)) },
  ])('does not wait for a file that is $name', async ({ bytes }) => {
    const server = await CloudWatchLogsServer.start()
    const directory = temporaryDirectory()
    writeFileSync(join(directory, '0.log.gz'), bytes)
    const { delivery, lines } = await deliver(server, directory)
    await delivery.drained()
    await delivery.stop()
    expect(readdirSync(directory)).toEqual(['0.log.gz.undeliverable'])
    const [, count] = /it is damaged after its first (\d+) records/.exec(lines[0]!)!
    // What comes out right before the damage may be a record with another time, which the service refuses.
    expect([Number(count) - 1, Number(count)]).toContain(server.events(GROUP).length)
    expect(lines).toHaveLength(1)
  })

  test('waits for a file that the disk does not give', async () => {
    const server = await CloudWatchLogsServer.start()
    for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value)
    // A directory is nothing that can be read, whoever asks.
    const path = temporaryDirectory()
    const destination = await openCloudWatchLogs({ group: GROUP, region: 'us-east-1' })
    const file = { path, key: 'x', bytes: 1, finishedAt: 0 }
    const { signal } = new AbortController()
    await expect(destination.deliver(file, signal, () => undefined)).rejects.toMatchObject({
      code: 'EISDIR',
    })
    await destination.close()
  })
})
