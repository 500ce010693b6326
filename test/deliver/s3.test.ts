import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openS3 } from '../../src/deliver/s3.js'
import { deliverTo } from '../support/delivery.js'
import { digest, type Fault, S3Server } from '../support/s3-server.js'
import { temporaryDirectory } from '../support/temporary.js'

afterEach(() => vi.unstubAllEnvs())

/** More than one part, and not a whole number of them. */
const LARGE = 20 * 1024 * 1024 + 7

function deliver(
  { bucket, environment }: Pick<S3Server, 'bucket' | 'environment'>,
  directory: string,
  silenceMs?: number,
) {
  const timing = silenceMs === undefined ? {} : { silenceMs }
  return deliverTo(environment, directory, () =>
    openS3({ bucket, prefix: 'some/prefix', region: 'us-east-1', ...timing }),
  )
}

/** Files of several lengths, by key. */
function fill(directory: string, lengths: readonly number[]): Map<string, string> {
  const files = new Map<string, string>()
  for (const [index, length] of lengths.entries()) {
    const bytes = randomBytes(length)
    writeFileSync(join(directory, `${index}.log.gz`), bytes)
    files.set(`some/prefix/${index}.log.gz`, digest(bytes))
  }
  return files
}

describe('S3', () => {
  test('gets each file as an object with its bytes, small or in parts', async () => {
    const server = await S3Server.start()
    const directory = temporaryDirectory()
    const files = fill(directory, [1, 1000, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1, LARGE])
    const { delivery } = await deliver(server, directory)
    await delivery.drained()
    await delivery.stop()
    expect(server.objects()).toEqual(files)
  })

  test.each<{ fault: Fault; error: string; says: RegExp }>([
    { fault: 'error', error: 'Unknown error', says: /InternalError: as the script says/ },
    { fault: 'slow-down', error: 'Rate limited', says: /SlowDown: as the script says/ },
    { fault: 'access-denied', error: 'Access error', says: /AccessDenied: as the script says/ },
    { fault: 'reset', error: 'Unknown error', says: /ECONNRESET|socket hang up/ },
    { fault: 'no-answer', error: 'Unknown error', says: /ECONNRESET|socket hang up/ },
    { fault: 'stall', error: 'Unknown error', says: /time/i },
  ])('gets everything in the end when every request meets: $fault', async (row) => {
    const server = await S3Server.start()
    server.always = row.fault
    const directory = temporaryDirectory()
    const files = fill(directory, row.fault === 'stall' ? [10, 1000] : [10, 9 * 1024 * 1024])
    // A minute would be long for a test.
    const silenceMs = row.fault === 'stall' ? 200 : undefined
    const { delivery, lines } = await deliver(server, directory, silenceMs)
    await expect.poll(() => delivery.status.failures).toBeGreaterThan(2)
    expect(delivery.status).toMatchObject({ error: row.error })
    expect(lines[0]).toMatch(row.says)
    server.always = 'none'
    await delivery.drained()
    await delivery.stop()
    expect(server.objects()).toEqual(files)
    expect(delivery.status.error).toBeUndefined()
  })

  test('gets everything although requests fail at random', async () => {
    const server = await S3Server.start()
    const kinds: Fault[] = ['error', 'slow-down', 'reset', 'no-answer', 'none']
    const seed = Date.now() % 1_000_000
    for (let index = 0; index < 60; index++) {
      server.faults.push(kinds[(seed + index * index * 7) % kinds.length]!)
    }
    const directory = temporaryDirectory()
    const files = fill(directory, [...Array<number>(20).fill(500), LARGE])
    const { delivery } = await deliver(server, directory)
    await delivery.drained()
    await delivery.stop()
    expect(server.objects(), `seed ${seed}`).toEqual(files)
  })
})
