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

  test('shows what waits for each destination, and is well all the same', async () => {
    const now = Date.now()
    const delivery = (name: string, oldest?: number, errorMessage?: string) => ({
      what: 'fl-1',
      destination: `s3://${name}`,
      waitingFiles: oldest === undefined ? 0 : 3,
      waitingBytes: oldest === undefined ? 0 : 4096,
      oldest,
      failures: errorMessage === undefined ? 0 : 2,
      errorMessage,
    })
    const idle = Array.from({ length: 70 }, (_, index) => delivery(`idle-${index}`))
    const deliveries = [...idle, delivery('new', now), delivery('old', now - 90_000, 'it is away')]
    const { url } = await startApi({
      routes: [health(() => ({ ...QUIET, deliveries, api: NO_COUNTS }))],
    })
    const answer = await fetch(`${url}/health`)
    expect(answer.status).toBe(200)
    const told = (await answer.json()) as { deliveries: unknown[]; deliveriesOmitted: number }
    expect(told.deliveries.slice(0, 3)).toEqual([
      {
        of: 'fl-1',
        destination: 's3://old',
        waitingFiles: 3,
        waitingBytes: 4096,
        oldestWaitingSeconds: expect.closeTo(90, -2),
        failures: 2,
        lastError: 'it is away',
      },
      expect.objectContaining({ destination: 's3://new', lastError: null }),
      expect.objectContaining({ waitingFiles: 0, oldestWaitingSeconds: null }),
    ])
    expect([told.deliveries.length, told.deliveriesOmitted]).toEqual([64, 8])
  })
})
