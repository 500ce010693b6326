// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a log format is written

import { describe, expect, test } from 'vitest'
import { Random } from '../support/random.js'
import { made, sessionResource } from './registered.js'
import { RegisteredColumn, T } from './registered-column.js'

const WINDOW = 60
const SESSION = sessionResource({ id: 'tms-1', networkInterfaceId: 'eni-1' })
const HOUR = 3600
const TEN_YEARS = 3650 * 86_400

/** What a clock does: it runs for so many seconds, is set by so many, or so many packets come or are lost at once. */
type Deed = { run: number } | { set: number } | { packets: number } | { lost: number }

const endOf = (second: number): number => second - (second % WINDOW) + WINDOW

/**
 * What is to be said, by a plain model: a window that the clock runs out of has NODATA where it had no
 * record and no loss so far, one with a loss has SKIPDATA, and neither is said twice.
 */
function expected(deeds: readonly Deed[]): string[] {
  const [records, quiet, lossy] = [new Set<number>(), new Set<number>(), new Set<number>()]
  let now = T
  let ticked = T
  for (const deed of deeds) {
    if ('set' in deed) {
      now += deed.set
      ticked = now
    } else if ('packets' in deed) records.add(endOf(now))
    else if ('lost' in deed) {
      for (const second of [ticked, now + 1]) lossy.add(endOf(second))
      ticked = ++now
      if (now % WINDOW === 0 && !records.has(now) && !lossy.has(now)) quiet.add(now)
    } else {
      for (let second = 0; second < deed.run; second++) {
        ticked = ++now
        if (now % WINDOW === 0 && !records.has(now) && !lossy.has(now)) quiet.add(now)
      }
    }
  }
  return [
    ...[...quiet].map((end) => `NODATA ${end - WINDOW} ${end}`),
    ...[...lossy].map((end) => `SKIPDATA ${end - WINDOW} ${end}`),
  ].sort()
}

/** What a column says that goes through the same. */
async function said(deeds: readonly Deed[]): Promise<string[]> {
  const run = await new RegisteredColumn(
    { capture: undefined as never },
    {
      wholeSessions: true,
      maxAggregationInterval: 60,
      logFormat: '${log-status} ${start} ${end}',
      owner: undefined as never,
    },
  ).begin(made('sessions', SESSION))
  let now = T
  let lost = 0
  const tick = () => run.at(now).column.tick(now, lost, 1)
  tick()
  for (const deed of deeds) {
    if ('set' in deed) {
      now += deed.set
      tick()
    } else if ('packets' in deed) {
      for (let packet = 0; packet < deed.packets; packet++) run.at(now).packet(7, 1000 + packet)
    } else if ('lost' in deed) {
      lost += deed.lost
      now++
      tick()
    } else {
      for (let second = 0; second < deed.run; second++) {
        now++
        tick()
      }
    }
  }
  await run.column.close()
  expect(run.column.report().flows.recordsLost).toBe(0)
  return run
    .records()
    .filter((line) => !line.startsWith('OK'))
    .sort()
}

/** Ends in the middle of a window: one leaves a second or two after its end. */
function calmed(deeds: readonly Deed[]): Deed[] {
  let now = T
  for (const deed of deeds) {
    now += 'set' in deed ? deed.set : 'run' in deed ? deed.run : 'lost' in deed ? 1 : 0
  }
  return [...deeds, { run: endOf(now) - now + 150 }]
}

describe('a clock that is set', () => {
  test.each<[string, Deed[]]>([
    ['never', [{ run: 70 }, { packets: 1 }, { run: 200 }]],
    ['back by a quarter', [{ run: 400 }, { set: -900 }, { packets: 1 }, { run: 1100 }]],
    [
      'ahead by an hour, and right again before it is reached',
      [{ run: 90 }, { set: HOUR }, { run: 300 }, { set: -HOUR }, { packets: 2 }, { run: 400 }],
    ],
    [
      'ahead, right again, and quiet until the windows it was ahead in have passed',
      [{ run: 30 }, { set: 300 }, { run: 130 }, { packets: 1 }, { set: -300 }, { run: 700 }],
    ],
    ['ahead by ten years, which it stays', [{ run: 100 }, { set: TEN_YEARS }, { run: 200 }]],
    [
      'ahead by ten years and back, with a loss in between',
      [
        { run: 100 },
        { set: TEN_YEARS },
        { run: 20 },
        { lost: 4 },
        { set: -TEN_YEARS },
        { run: 300 },
      ],
    ],
    [
      'back while a window ends',
      [{ run: 178 }, { set: -120 }, { run: 3 }, { set: -1 }, { packets: 1 }, { run: 300 }],
    ],
    [
      'back again and again to a window with a loss',
      [
        { run: 20 },
        { lost: 1 },
        { run: 60 },
        { set: -60 },
        { lost: 1 },
        { run: 70 },
        { set: -70 },
        { run: 200 },
      ],
    ],
  ])('%s has each quiet window said once, and none left out', async (_name, deeds) => {
    const all = calmed(deeds)
    expect(await said(all)).toEqual(expected(all))
  })

  test('at random does too', async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = new Random(seed)
      const between = (from: number, to: number) => from + random.below(to - from + 1)
      const deeds: Deed[] = []
      for (let step = 0; step < 12; step++) {
        deeds.push(
          random.pick<Deed>([
            { run: between(1, 200) },
            { set: between(20, 900) },
            { set: -between(20, 900) },
            { packets: 1 },
            { lost: 1 },
          ]),
          { run: between(10, 90) },
        )
      }
      const all = calmed(deeds)
      expect(await said(all), `seed ${seed}: ${JSON.stringify(deeds)}`).toEqual(expected(all))
    }
  })

  test('says of an interface with two sessions only what is true of both', async () => {
    const of = { wholeSessions: true, maxAggregationInterval: 60 } as const
    const other = sessionResource({
      ...SESSION,
      id: 'tms-2',
      virtualNetworkId: 8,
      sessionNumber: 2,
    })
    const quiet = sessionResource({ id: 'tms-3', networkInterfaceId: 'eni-3', virtualNetworkId: 9 })
    const run = await new RegisteredColumn({}, of).begin(
      made('sessions', SESSION),
      made('sessions', other),
      made('sessions', quiet),
    )
    run.at(T + 5).packet(8)
    run.tick(T + 6, T + 121)
    await run.close()
    expect(run.records().sort()).toEqual([
      'NODATA eni-1 - -',
      'NODATA eni-3 - -',
      'NODATA eni-3 - -',
      'OK eni-1 1000 1',
    ])
  })
})
