import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Delivery } from '../../src/deliver/delivery.js'
import { DeliveryQueue, type QueuedFile } from '../../src/deliver/delivery-queue.js'
import {
  ALL_TAKEN,
  DeliveryError,
  type Destination,
  Undeliverable,
} from '../../src/deliver/destination.js'
import { temporaryDirectory } from '../support/temporary.js'

const RETRY_MS = { first: 1, last: 4 }

/** Answers each delivery as the next word of a script says, and then takes everything. */
class ScriptedDestination implements Destination {
  readonly concurrency: number
  readonly arrived: string[] = []
  isClosed = false
  readonly #script: Error[]

  constructor(script: readonly Error[] = [], concurrency = 1) {
    this.#script = [...script]
    this.concurrency = concurrency
  }

  async deliver(file: QueuedFile) {
    const error = this.#script.shift()
    if (error !== undefined) throw error
    this.arrived.push(`${file.key} ${readFileSync(file.path, 'utf8')}`)
    return ALL_TAKEN
  }

  async close(): Promise<void> {
    this.isClosed = true
  }
}

/** A file that was finished at `second`. */
function put(directory: string, key: string, second: number, text = 'x'): string {
  const path = join(directory, key)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  utimesSync(path, second, second)
  return path
}

async function begin(
  options: { directory: string; journal?: string; names?: string },
  destination: Destination,
  now = 0,
) {
  const lines: string[] = []
  const queue = await DeliveryQueue.open(options, now)
  const delivery = new Delivery({
    name: 'one',
    what: 'fl-1',
    destinationName: 'test://place',
    queue,
    destination,
    onProblem: (line) => lines.push(line),
    retryMs: RETRY_MS,
  })
  return { delivery, lines, queue }
}

describe('a delivery', () => {
  test('counts what was removed while it waited, and waits for it no longer', async () => {
    const directory = temporaryDirectory()
    const paths = ['one', 'two', 'three'].map((key, second) => put(directory, key, second))
    const away = new DeliveryError('Unknown error', 'away')
    const destination = new ScriptedDestination(new Array(1000).fill(away))
    const { delivery, lines } = await begin({ directory }, destination)
    await expect.poll(() => delivery.status.failures).toBeGreaterThan(0)
    expect([...delivery.waiting].sort()).toEqual([...paths].sort())
    // The first is under way: whoever has it finds out.
    for (const path of paths) rmSync(path)
    delivery.removed([...paths, join(directory, 'another')])
    expect(delivery.status).toMatchObject({ lostFiles: 2, waitingFiles: 1 })
    expect(delivery.waiting).toEqual([paths[0]])
    expect(lines.filter((line) => line.includes('removed'))).toEqual([])
    await delivery.stop()
  })

  test('brings the files of a directory, oldest first, and removes them', async () => {
    const directory = temporaryDirectory()
    put(directory, 'b/new', 30)
    put(directory, 'a/old', 10)
    put(directory, 'middle', 20)
    const destination = new ScriptedDestination()
    const { delivery } = await begin({ directory }, destination)
    await delivery.drained()
    expect(destination.arrived).toEqual(['a/old x', 'middle x', 'b/new x'])
    await delivery.stop()
    expect(readdirSync(directory, { recursive: true }).sort()).toEqual(['a', 'b'])
    expect(destination.isClosed).toBe(true)
  })

  test('leaves alone what is not whole, hidden, set aside or of another flow log', async () => {
    const directory = temporaryDirectory()
    for (const key of [
      '1_fl-a_.part',
      '.fl-a_hidden',
      '.deliver/1_fl-a_',
      '1_fl-a_.undeliverable',
      '1_fl-b_',
      '1_fl-a_',
    ]) {
      put(directory, key, 10)
    }
    const destination = new ScriptedDestination()
    const { delivery } = await begin({ directory, names: '_fl-a_' }, destination)
    await delivery.drained()
    expect(destination.arrived).toEqual(['1_fl-a_ x'])
    await delivery.stop()
  })

  test.each([
    { name: 'once', failures: 1 },
    { name: 'a hundred times', failures: 100 },
  ])('that fails $name goes on with the same file, and says so twice', async ({ failures }) => {
    const directory = temporaryDirectory()
    put(directory, 'first', 10)
    put(directory, 'second', 20)
    const script = Array<Error>(failures).fill(new DeliveryError('Rate limited', 'slow down'))
    const destination = new ScriptedDestination(script)
    const { delivery, lines } = await begin({ directory }, destination)
    await delivery.drained()
    expect(destination.arrived).toEqual(['first x', 'second x'])
    expect(lines).toEqual([
      'fl-1 to test://place: slow down; it is tried again until it works',
      `fl-1 to test://place: delivering again after ${failures} failures`,
    ])
    expect(delivery.status).toMatchObject({ failures, deliveredFiles: 2, error: undefined })
    await delivery.stop()
  })

  test('that fails says why in its status, until it works', async () => {
    const directory = temporaryDirectory()
    put(directory, 'file', 10)
    let fail = true
    const destination: Destination = {
      concurrency: 1,
      deliver: async () => {
        if (fail) throw new DeliveryError('Access error', 'AccessDenied: no')
        return { refused: 3 }
      },
      close: async () => undefined,
    }
    const { delivery } = await begin({ directory }, destination)
    await expect.poll(() => delivery.status.error).toBe('Access error')
    expect(delivery.status).toMatchObject({
      waitingFiles: 1,
      errorMessage: 'AccessDenied: no',
      deliveredFiles: 0,
    })
    fail = false
    await delivery.drained()
    expect(delivery.status).toMatchObject({ waitingFiles: 0, error: undefined, refusedRecords: 3 })
    await delivery.stop()
  })

  test('keeps a file that cannot be delivered under another name, and goes on', async () => {
    const directory = temporaryDirectory()
    put(directory, 'bad', 10)
    put(directory, 'good', 20)
    const destination = new ScriptedDestination([new Undeliverable('it is no gzip file')])
    const { delivery, lines } = await begin({ directory }, destination)
    await delivery.drained()
    expect(destination.arrived).toEqual(['good x'])
    expect(readdirSync(directory)).toEqual(['bad.undeliverable'])
    expect(lines).toEqual([
      `fl-1 to test://place: ${join(directory, 'bad.undeliverable')} cannot be delivered and is kept under that name: it is no gzip file`,
    ])
    expect(delivery.status.lostFiles).toBe(1)
    await delivery.stop()
  })

  test('counts a file that somebody removed, and goes on', async () => {
    const directory = temporaryDirectory()
    const gone = put(directory, 'gone', 10)
    put(directory, 'there', 20)
    const destination = new ScriptedDestination([new DeliveryError('Unknown error', 'wait')])
    const { delivery, lines } = await begin({ directory }, destination)
    rmSync(gone)
    await delivery.drained()
    expect(destination.arrived).toEqual(['there x'])
    expect(delivery.status.lostFiles).toBe(1)
    expect(lines).toContain(`fl-1 to test://place: ${gone} was removed before it was delivered`)
    await delivery.stop()
  })

  test('takes files it is told of, each once', async () => {
    const directory = temporaryDirectory()
    const destination = new ScriptedDestination()
    const { delivery } = await begin({ directory }, destination)
    const path = put(directory, 'told', 10)
    await delivery.add(path)
    await delivery.add(path)
    await delivery.add(join(directory, 'not-there'))
    await delivery.add(join(dirname(directory), 'elsewhere'))
    await delivery.drained()
    expect(destination.arrived).toEqual(['told x'])
    await delivery.stop()
  })

  test('that is stopped leaves what waits for the next', async () => {
    const directory = temporaryDirectory()
    put(directory, 'waits', 10)
    const endless = Array<Error>(1000).fill(new DeliveryError('Unknown error', 'down'))
    const first = await begin({ directory }, new ScriptedDestination(endless))
    await expect.poll(() => first.delivery.status.failures).toBeGreaterThan(2)
    // A destination that fails is not waited for.
    await first.delivery.settled()
    await first.delivery.stop()
    expect(first.delivery.status).toMatchObject({ waitingFiles: 1, deliveredFiles: 0 })
    const destination = new ScriptedDestination()
    const second = await begin({ directory }, destination)
    await second.delivery.drained()
    expect(destination.arrived).toEqual(['waits x'])
    await second.delivery.stop()
  })
})

describe('a delivery of files that stay', () => {
  test('delivers each once, whoever asks again', async () => {
    const directory = temporaryDirectory()
    const journal = join(temporaryDirectory(), 'journal')
    const first = new ScriptedDestination()
    const one = await begin({ directory, journal }, first)
    await one.delivery.add(put(directory, 'a', 10))
    await one.delivery.drained()
    await one.delivery.scan()
    await one.delivery.stop()
    put(directory, 'b', 20)
    const second = new ScriptedDestination()
    const two = await begin({ directory, journal }, second)
    await two.delivery.drained()
    await two.delivery.stop()
    expect([first.arrived, second.arrived]).toEqual([['a x'], ['b x']])
    expect(readdirSync(directory).sort()).toEqual(['a', 'b'])
  })

  test('leaves out what was finished before there was the delivery', async () => {
    const directory = temporaryDirectory()
    const journal = join(temporaryDirectory(), 'journal')
    put(directory, 'before', 10)
    put(directory, 'behind', 30)
    const destination = new ScriptedDestination()
    const { delivery } = await begin({ directory, journal }, destination, 20_000)
    await delivery.drained()
    await delivery.stop()
    expect(destination.arrived).toEqual(['behind x'])
  })

  test('forgets the names of files that are no longer there', async () => {
    const directory = temporaryDirectory()
    const journal = join(temporaryDirectory(), 'journal')
    const path = put(directory, 'a', 10)
    put(directory, 'b', 10)
    const one = await begin({ directory, journal }, new ScriptedDestination())
    await one.delivery.drained()
    await one.delivery.stop()
    rmSync(path)
    const two = await begin({ directory, journal }, new ScriptedDestination())
    await two.delivery.stop()
    expect(readFileSync(journal, 'utf8').split('\n').slice(1)).toEqual(['b', ''])
  })

  test('takes a journal that was cut anywhere: at worst a file is delivered again', async () => {
    const directory = temporaryDirectory()
    const journal = join(temporaryDirectory(), 'journal')
    const keys = ['first', 'second', 'third']
    for (const [index, key] of keys.entries()) put(directory, key, 10 + index)
    const one = await begin({ directory, journal }, new ScriptedDestination())
    await one.delivery.drained()
    await one.delivery.stop()
    const whole = readFileSync(journal)
    for (let length = 0; length <= whole.length; length++) {
      writeFileSync(journal, whole.subarray(0, length))
      const destination = new ScriptedDestination()
      const { delivery } = await begin({ directory, journal }, destination)
      await delivery.drained()
      await delivery.stop()
      const lines = whole.subarray(0, length).toString().split('\n')
      const known = new Set(lines.slice(1, -1))
      expect(destination.arrived).toEqual(
        keys.filter((key) => !known.has(key)).map((key) => `${key} x`),
      )
    }
  })
})
