import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openFirehose } from '../../src/deliver/firehose.js'
import type { JsonFault } from '../support/aws-json-server.js'
import { deliverTo } from '../support/delivery.js'
import { FirehoseServer } from '../support/firehose-server.js'
import { fillQueue, type Queued, queueFile, someRecords } from '../support/queue-files.js'
import { temporaryDirectory } from '../support/temporary.js'

afterEach(() => vi.unstubAllEnvs())

function deliver(server: FirehoseServer, directory: string, silenceMs?: number) {
  const timing = silenceMs === undefined ? {} : { silenceMs }
  return deliverTo(server.environment, directory, () =>
    openFirehose({ stream: server.stream, region: 'us-east-1', ...timing }),
  )
}

function linesOf(files: readonly (readonly Queued[])[]): string[] {
  return files.flat().map(({ line }) => line)
}

const FILES = [someRecords(50, 'a'), [], someRecords(1, 'b'), someRecords(1700, 'c')]

describe('Firehose', () => {
  test('gets each record as a line of JSON, in order, and the files go', async () => {
    const server = await FirehoseServer.start()
    const directory = temporaryDirectory()
    fillQueue(directory, FILES)
    const { delivery, lines } = await deliver(server, directory)
    await delivery.drained()
    await delivery.stop()
    expect(server.lines()).toEqual(linesOf(FILES))
    expect(server.records()[0]).toBe('{"message":"2 a-0 é"}\n')
    expect(server.calls).toEqual([50, 1, 500, 500, 500, 200])
    expect(readdirSync(directory)).toEqual([])
    expect(lines).toEqual([])
  })

  test('gets calls within every limit, and what is too long for it is counted', async () => {
    const server = await FirehoseServer.start()
    const directory = temporaryDirectory()
    const longer = (text: string) => (record: Queued) => ({ ...record, line: record.line + text })
    const files = [
      someRecords(20, 'bytes').map(longer('é'.repeat(450_000))),
      // Twice as long in JSON.
      someRecords(20, 'quotes').map(longer('"'.repeat(450_000))),
    ]
    const tooLong = someRecords(2, 'long').map(longer('"'.repeat(600_000)))
    fillQueue(directory, [...files, tooLong])
    const { delivery } = await deliver(server, directory)
    await delivery.drained()
    await delivery.stop()
    expect(server.lines()).toEqual(linesOf(files))
    expect(delivery.status).toMatchObject({ refusedRecords: 2, deliveredFiles: 3 })
  })

  test('gets the records that it left out again, and only those', async () => {
    const server = await FirehoseServer.start()
    // Half of the first call, a third of what is left, all of that, and then nothing.
    server.leavesOut = [2, 3, 1]
    const directory = temporaryDirectory()
    const files = [someRecords(12, 'a')]
    fillQueue(directory, files)
    const { delivery, lines } = await deliver(server, directory)
    await delivery.drained()
    await delivery.stop()
    expect(server.calls).toEqual([12, 6, 2, 2])
    const order = [0, 2, 4, 6, 8, 10, 1, 3, 7, 9, 5, 11]
    expect(server.lines()).toEqual(order.map((index) => files[0]![index]!.line))
    expect(lines).toEqual([
      'fl-1 to the server of the test: ServiceUnavailableException: Slow down.; it is tried again until it works',
      'fl-1 to the server of the test: delivering again after 3 failures',
    ])
  })

  test.each<{ fault: JsonFault | 'no-stream' | 'left-out'; error: string; says: RegExp }>([
    { fault: 'error', error: 'Unknown error', says: /InternalFailure: as the script says/ },
    { fault: 'throttling', error: 'Rate limited', says: /ThrottlingException: as the script/ },
    { fault: 'unavailable', error: 'Rate limited', says: /ServiceUnavailableException: as the/ },
    { fault: 'access-denied', error: 'Access error', says: /AccessDeniedException: as the/ },
    { fault: 'no-stream', error: 'Access error', says: /ResourceNotFoundException: Firehose/ },
    { fault: 'left-out', error: 'Rate limited', says: /ServiceUnavailableException: Slow down/ },
    { fault: 'reset', error: 'Unknown error', says: /ECONNRESET|socket hang up/ },
    { fault: 'no-answer', error: 'Unknown error', says: /ECONNRESET|socket hang up/ },
    { fault: 'stall', error: 'Unknown error', says: /time/i },
  ])('gets everything in the end when every request meets: $fault', async (row) => {
    const server = await FirehoseServer.start()
    if (row.fault === 'no-stream') server.isThere = false
    else if (row.fault === 'left-out') server.alwaysLeavesOut = 1
    else server.always = row.fault
    const directory = temporaryDirectory()
    fillQueue(directory, FILES)
    // A minute would be long for a test.
    const silenceMs = row.fault === 'stall' ? 200 : undefined
    const { delivery, lines } = await deliver(server, directory, silenceMs)
    await expect.poll(() => delivery.status.failures).toBeGreaterThan(2)
    expect(delivery.status).toMatchObject({ error: row.error })
    expect(lines[0]).toMatch(row.says)
    server.always = 'none'
    server.alwaysLeavesOut = 0
    server.isThere = true
    await delivery.drained()
    await delivery.stop()
    // An answer that was lost makes records come twice.
    expect(new Set(server.lines())).toEqual(new Set(linesOf(FILES)))
    expect(delivery.status.error).toBeUndefined()
    expect(readdirSync(directory)).toEqual([])
  })

  test('gets everything although requests fail at random, and nothing twice', async () => {
    const server = await FirehoseServer.start()
    const kinds: JsonFault[] = ['error', 'throttling', 'reset', 'none', 'none']
    const seed = Date.now() % 1_000_000
    for (let index = 0; index < 60; index++) {
      server.faults.push(kinds[(seed + index * index * 7) % kinds.length]!)
      server.leavesOut.push((seed + index) % 4)
    }
    const directory = temporaryDirectory()
    fillQueue(directory, FILES)
    const { delivery } = await deliver(server, directory)
    await delivery.drained()
    await delivery.stop()
    expect(server.lines().sort(), `seed ${seed}`).toEqual(linesOf(FILES).sort())
  })

  test('gets what is before the damage of a file, which is then set aside', async () => {
    const server = await FirehoseServer.start()
    const directory = temporaryDirectory()
    const whole = queueFile(someRecords(20_000, 'd'))
    writeFileSync(join(directory, '0.log.gz'), whole.subarray(0, whole.length - 100))
    const { delivery, lines } = await deliver(server, directory)
    await delivery.drained()
    await delivery.stop()
    expect(readdirSync(directory)).toEqual(['0.log.gz.undeliverable'])
    const [, count] = /it is damaged after its first (\d+) records/.exec(lines[0]!)!
    expect(Number(count)).toBeGreaterThan(0)
    expect(server.lines()).toHaveLength(Number(count))
  })
})
