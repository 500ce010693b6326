import { describe, expect, test } from 'vitest'
import {
  appliancesFor,
  type Fleet,
  MEASURED,
  nanosecondsOf,
  packetsPerSecond,
  shares,
  simulate,
} from '../../scripts/bench/fleet-model.js'

/** 1 Mpps of frames of 1000 bits: nothing comes in bursts, and every source is like the others. */
const EVEN: Fleet = {
  gbps: 1,
  packetBytes: 125,
  sources: 64,
  skew: 0,
  flows: 2000,
  recordsPerSecond: 0,
  appliances: 1,
  workers: 1,
  bufferBytes: 0,
  burst: 1,
  seconds: 1,
  stepMs: 10,
  seed: 1,
}

const costing = (packetNs: number): typeof MEASURED => ({ ...MEASURED, packetNs })

describe('simulate', () => {
  test('is the same for the same seed, and not for another', () => {
    const fleet = { ...EVEN, gbps: 5, burst: 3, skew: 1, appliances: 4, workers: 2 }
    expect(simulate(fleet)).toEqual(simulate(fleet))
    expect(simulate({ ...fleet, seed: 2 }).loads).not.toEqual(simulate(fleet).loads)
  })

  test('of one thread without a buffer loses what is beyond 1 s / cost', () => {
    const within = simulate({ ...EVEN, cost: costing(1000) })
    expect(within.offered).toBeCloseTo(1e6)
    expect(within.lostShare).toBeCloseTo(0)
    expect(within.busiest).toBeCloseTo(1)
    expect(simulate({ ...EVEN, cost: costing(2000) }).lostShare).toBeCloseTo(0.5)
    expect(simulate({ ...EVEN, cost: costing(500) }).busiest).toBeCloseTo(0.5)
  })

  test('loses nothing while a buffer holds what is too much', () => {
    const fleet = { ...EVEN, cost: costing(2000) }
    // Half a million packets wait at the end of the second.
    expect(simulate({ ...fleet, bufferBytes: 4200 * 510_000 }).lost).toBe(0)
    expect(simulate({ ...fleet, bufferBytes: 4200 * 250_000 }).lostShare).toBeCloseTo(0.25)
  })

  test('does what one appliance was measured to do: no loss up to 700 k/s of 200 bytes, then loss', () => {
    const at = (packets: number) =>
      simulate({
        ...{ ...EVEN, sources: 16, flows: 1000, packetBytes: 200 },
        ...{ gbps: (packets * 200 * 8) / 1e9, bufferBytes: 16 << 20, seconds: 10 },
      })
    expect(at(700_000).lost).toBe(0)
    expect(at(1_000_000).lostShare).toBeGreaterThan(0.2)
    expect(at(1_000_000).lostShare).toBeLessThan(0.3)
  })

  test('an appliance that dies costs its share until it is noticed', () => {
    const fleet = { ...EVEN, appliances: 10, cost: costing(10), seconds: 10 }
    const { lostShare, lostToFailure, lost } = simulate({
      ...fleet,
      failure: { at: 2, noticed: 4 },
    })
    // A tenth of four seconds in ten, as even as hashing is.
    expect(lostShare).toBeGreaterThan(0.03)
    expect(lostShare).toBeLessThan(0.05)
    expect(lostToFailure).toBe(lost)
  })
})

test('twice the traffic takes about twice the appliances, and one flow too large none at all', () => {
  const fleet = { ...EVEN, gbps: 20, flows: 4000, bufferBytes: 16 << 20, workers: 2 }
  const few = appliancesFor(fleet)!
  const cores = (packetsPerSecond(fleet) * nanosecondsOf(fleet)) / 1e9
  expect(few).toBeGreaterThanOrEqual(cores / 2)
  expect(few).toBeLessThan(cores)
  expect(appliancesFor({ ...fleet, gbps: 40 })).toBeGreaterThan(1.6 * few)
  expect(appliancesFor({ ...fleet, sources: 1, flows: 1 }, 1e-4, 64)).toBeUndefined()
})

test('shares add up to all of it', () => {
  expect(shares(10, 1).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1)
  expect(shares(4, 0)).toEqual(Float64Array.of(0.25, 0.25, 0.25, 0.25))
})
