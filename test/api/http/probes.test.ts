import { describe, expect, test } from 'vitest'
import { alive, type ReadinessFacts, readiness, unreadiness } from '../../../src/api/http/probes.js'
import { startApi } from '../running-api.js'

const NOW = Date.UTC(2026, 2, 1)
const MINUTE = 60_000
const MIB = 1024 * 1024

const space = { directory: '/captures', bytes: 100 * MIB, availableBytes: 50 * MIB }
const backlog = {
  what: 'fl-1',
  destination: 's3://bucket',
  waitingFiles: 3,
  oldest: NOW - 20 * MINUTE,
}

/** Of an appliance that nothing comes to. */
const ready: ReadinessFacts = {
  progress: { workers: [{ worker: 1, silentMs: 250 }], waitingMs: { captures: undefined } },
  spaces: [{ ...space, availableFiles: undefined }],
  troubles: [],
  deliveries: [{ ...backlog, error: undefined }],
}

describe('readiness', () => {
  test('has nothing against quiet traffic, nor against a long queue that moves', () => {
    expect(unreadiness(ready, NOW)).toEqual([])
  })

  test.each<{ name: string; facts: Partial<ReadinessFacts>; reasons: string[] }>([
    {
      name: 'a thread that hangs',
      facts: { progress: { workers: [{ worker: 2, silentMs: 3000 }], waitingMs: {} } },
      reasons: ['receiving thread 2 has not answered for 3 s'],
    },
    {
      name: 'a disk that hangs',
      facts: { progress: { workers: [], waitingMs: { captures: 5000 } } },
      reasons: ['captures: an operation at the disk has been under way for 5 s'],
    },
    {
      name: 'a directory that cannot be written to',
      facts: { troubles: ['/captures: the file system is read-only; write elsewhere'] },
      reasons: ['/captures: the file system is read-only; write elsewhere'],
    },
    {
      name: 'a disk without room for bytes',
      facts: { spaces: [{ ...space, availableBytes: MIB - 1, availableFiles: 5 }] },
      reasons: ['/captures: the disk is full'],
    },
    {
      name: 'a disk without room for files',
      facts: { spaces: [{ ...space, availableFiles: 0 }] },
      reasons: ['/captures: the disk is full'],
    },
    {
      name: 'a destination that has failed for long',
      facts: { deliveries: [{ ...backlog, error: 'Access error' }] },
      reasons: ['fl-1 to s3://bucket: 3 files wait, the oldest for 20 minutes: Access error'],
    },
    {
      name: 'nothing in a destination that has failed for a while',
      facts: { deliveries: [{ ...backlog, oldest: NOW - 14 * MINUTE, error: 'Rate limited' }] },
      reasons: [],
    },
  ])('names $name', ({ facts, reasons }) => {
    expect(unreadiness({ ...ready, ...facts }, NOW)).toEqual(reasons)
  })

  test('is 200 or 503 at /readyz, whatever /healthz says', async () => {
    let facts = ready
    const { url } = await startApi({ routes: [alive, readiness('/readyz', () => facts)] })
    const ask = async (path: string) => {
      const answer = await fetch(`${url}${path}`)
      return { status: answer.status, body: await answer.text() }
    }
    expect(await ask('/readyz')).toEqual({ status: 200, body: 'ok\n' })
    facts = { ...ready, spaces: [{ ...space, availableFiles: 0 }] }
    expect(await ask('/readyz')).toEqual({ status: 503, body: '/captures: the disk is full\n' })
    expect(await ask('/healthz')).toEqual({ status: 200, body: 'ok\n' })
  })
})
