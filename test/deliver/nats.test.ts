import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { openNats } from '../../src/deliver/nats.js'
import { connectJetStream, isWithoutLeader } from '../../src/deliver/nats-connection.js'
import { readNats } from '../../src/deliver/nats-reader.js'
import { deliverTo } from '../support/delivery.js'
import { NatsServers } from '../support/nats-servers.js'
import { fillQueue, type Queued, queueFile } from '../support/queue-files.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'

/** How long a server may say nothing: a minute would be long for a test. */
const ANSWER_MS = 500

/** Servers choose a leader four times, which takes them 4 to 10 s each, on a busy machine longer. */
const CLUSTER_MS = 600_000
/** Before two servers have written what one of them was given, on a busy disk. */
const CLUSTER_ANSWER_MS = 4000

const running: NatsServers[] = []
afterEach(() => {
  for (const servers of running.splice(0)) servers.stop()
})

async function starting(count: number, ...more: string[]): Promise<NatsServers> {
  const servers = await NatsServers.start(count, ...more)
  running.push(servers)
  return servers
}

function someRecords(count: number, prefix: string): Queued[] {
  const start = Math.floor(Date.now() / 1000)
  return Array.from({ length: count }, (_, index) => ({
    source: `vni-${index % 3}_10.0.0.1`,
    start,
    line: JSON.stringify({ version: 2, 'interface-id': `${prefix}-${index}` }),
  }))
}

const FILES = [someRecords(50, 'a'), [], someRecords(1, 'b'), someRecords(25_000, 'c')]
const linesOf = (files: readonly (readonly Queued[])[]) => files.flat().map(({ line }) => line)
const ALL = linesOf(FILES).sort()

async function deliver(servers: NatsServers, files = FILES, answerMs = ANSWER_MS) {
  const directory = temporaryDirectory()
  fillQueue(directory, files)
  const open = () => openNats(servers.place, answerMs)
  return { directory, ...(await deliverTo({}, directory, open)) }
}

async function read({ place }: NatsServers): Promise<string[]> {
  const { signal } = new AbortController()
  const lines: string[] = []
  for await (const data of readNats(place, { follow: false, signal })) {
    lines.push(...Buffer.from(data).toString().split('\n').slice(0, -1))
  }
  return lines.sort()
}

/** A cluster that has just had a server back may have no leader, or leave a request unanswered. */
async function answered<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!isWithoutLeader(error)) throw error
    }
    await delay(100)
  }
}

/** What a stream holds, and how many different ids of messages and subjects that is. */
async function stored({ place }: NatsServers) {
  const connect = () => connectJetStream(place, { task: 'testing' })
  const { connection, client, manager } = await answered(connect)
  try {
    const { state, config } = await answered(() => manager.streams.info(place.stream))
    const consumer = await answered(() => client.consumers.get(place.stream))
    const messages = await consumer.consume()
    const ids = new Set<string>()
    const subjects = new Set<string>()
    for await (const { headers, subject, seq } of messages) {
      ids.add(headers!.get('Nats-Msg-Id'))
      subjects.add(subject)
      if (seq === state.last_seq) break
    }
    return { messages: state.messages, ids: ids.size, subjects: [...subjects].sort(), config }
  } finally {
    await connection.close()
  }
}

describe.skipIf(!hasTool('nats-server'))('NATS JetStream', () => {
  test('gets each record once, in a subject for each session, and the files go', async () => {
    const servers = await starting(1)
    const { delivery, directory, lines } = await deliver(servers)
    await delivery.drained()
    await delivery.stop()
    expect(await read(servers)).toEqual(ALL)
    const { messages, ids, subjects, config } = await stored(servers)
    expect(messages).toBe(ids)
    // Batches: a message for each thousand records of a session.
    expect(messages).toBeLessThan(50)
    expect(subjects).toEqual([0, 1, 2].map((vni) => `flows.vni-${vni}_10_0_0_1`))
    expect(config.num_replicas).toBe(1)
    expect(readdirSync(directory)).toEqual([])
    expect(lines).toEqual([])
  })

  test('is followed from before its first record until a signal', async () => {
    const servers = await starting(1)
    const { connection, manager } = await connectJetStream(servers.place, { task: 'testing' })
    await manager.streams.add({ name: 'flows', subjects: ['flows.>'] })
    await connection.close()
    const stop = new AbortController()
    const lines: string[] = []
    const following = (async () => {
      const rules = { follow: true, signal: stop.signal }
      for await (const data of readNats(servers.place, rules)) {
        lines.push(...Buffer.from(data).toString().split('\n').slice(0, -1))
      }
    })()
    const { delivery } = await deliver(servers)
    await delivery.drained()
    await delivery.stop()
    await expect.poll(() => lines.length).toBe(ALL.length)
    stop.abort()
    await following
    expect(lines.sort()).toEqual(ALL)
  })

  test('stores no record again that comes again after a crash', async () => {
    const servers = await starting(1)
    const directory = temporaryDirectory()
    for (let times = 0; times < 2; times++) {
      // The file under the same name, as after a kill before it was removed.
      fillQueue(directory, FILES)
      const { delivery } = await deliverTo({}, directory, () => openNats(servers.place))
      await delivery.drained()
      await delivery.stop()
    }
    expect(await read(servers)).toEqual(ALL)
    const { messages, ids } = await stored(servers)
    expect(messages).toBe(ids)
  })

  test('in a cluster loses and doubles nothing when one is killed and one cut off', {
    timeout: CLUSTER_MS,
  }, async () => {
    const servers = await starting(3)
    const files = Array.from({ length: 40 }, (_, index) => someRecords(900, `f${index}`))
    const { delivery, directory } = await deliver(servers, [], CLUSTER_ANSWER_MS)
    const feed = async (first: number, end: number): Promise<void> => {
      for (let index = first; index < end; index++) {
        writeFileSync(join(directory, `${index}.log.gz`), queueFile(files[index]!))
      }
      await delivery.scan()
    }
    const arrived = () => delivery.status.deliveredFiles
    await feed(0, 10)
    await expect.poll(arrived).toBeGreaterThan(3)
    await servers.kill(0)
    await feed(10, 20)
    await expect.poll(arrived).toBeGreaterThan(13)
    servers.cutOff(1)
    await feed(20, 40)
    // One of three is no majority: nothing more is taken.
    await expect.poll(() => delivery.status.error).toBeDefined()
    servers.restart(0)
    await expect.poll(arrived).toBeGreaterThan(30)
    servers.letGo(1)
    await delivery.drained()
    await delivery.stop()
    // Who reads while two of three are gone gets everything once they are back.
    await Promise.all([servers.kill(0), servers.kill(2)])
    const reading = read(servers)
    servers.restart(0)
    servers.restart(2)
    expect(await reading).toEqual(linesOf(files).sort())
    const { messages, ids, config } = await stored(servers)
    expect(messages).toBe(ids)
    expect(config.num_replicas).toBe(3)
  })
})
