import { describe, expect, test } from 'vitest'
import { failuresOf, health, type Progress } from '../../../src/api/http/health.js'
import { NO_COUNTS, QUIET, startApi } from '../running-api.js'

const well: Progress = {
  workers: [
    { worker: 1, silentMs: 250 },
    { worker: 2, silentMs: 2900 },
  ],
  waitingMs: { captures: 4900, state: undefined },
}

describe('health', () => {
  test('is well while threads answer and disks take their time', () => {
    expect(failuresOf(well)).toEqual([])
  })

  test.each<{ name: string; progress: Progress; failures: string[] }>([
    {
      name: 'a thread that hangs',
      progress: { ...well, workers: [...well.workers, { worker: 3, silentMs: 12_340 }] },
      failures: ['receiving thread 3 has not answered for 12.3 s'],
    },
    {
      name: 'a disk that hangs',
      progress: { ...well, waitingMs: { captures: 100, 'audit log': 60_000 } },
      failures: ['audit log: an operation at the disk has been under way for 60 s'],
    },
  ])('names $name', async ({ progress, failures }) => {
    const { url } = await startApi({
      routes: [health(() => ({ ...QUIET, ...progress, api: NO_COUNTS }))],
    })
    const answer = await fetch(`${url}/health`)
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ status: 'failing', failures })
  })
})
