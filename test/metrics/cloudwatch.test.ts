import { afterEach, describe, expect, test, vi } from 'vitest'
import { CloudWatchMetrics, type Counted } from '../../src/metrics/cloudwatch.js'
import { mirrored } from '../../src/metrics/mirrored.js'
import { Ledger } from '../../src/session/ledger.js'
import { CloudWatchServer } from '../support/cloudwatch-server.js'
import { sessionReport } from '../support/session-report.js'

afterEach(() => vi.unstubAllEnvs())

const dimension = { name: 'InstanceId', value: 'i-1' }

/** Publishes what `counted` holds, in periods of 20 ms. */
async function publish(server: CloudWatchServer, counted: () => readonly Counted[], more = {}) {
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value)
  const lines: string[] = []
  const metrics = await CloudWatchMetrics.start({
    namespace: 'mirrortap/test',
    region: 'us-east-1',
    count: async () => counted(),
    onProblem: (line) => lines.push(line),
    periodMs: 20,
    ...more,
  })
  return { metrics, lines }
}

describe('CloudWatch', () => {
  test('gets what each count has risen by since the start, with the time of its period', async () => {
    const server = await CloudWatchServer.start()
    let bytes = 1000
    let packets = 1
    const { metrics, lines } = await publish(server, () => [
      { dimension, totals: { NetworkMirrorIn: bytes, NetworkPacketsMirrorIn: packets } },
    ])
    bytes = 1500
    packets = 3
    await expect.poll(() => server.calls.length).toBeGreaterThan(2)
    // As a session that was made again.
    bytes = 40
    packets = 1
    await metrics.stop()
    expect(server.sums()).toEqual({
      'InstanceId=i-1 NetworkMirrorIn': 540,
      'InstanceId=i-1 NetworkPacketsMirrorIn': 3,
    })
    for (const ms of server.times()) expect(Math.round(ms) % 20).toBe(0)
    expect(lines).toEqual([])
  })

  test.each(['error', 'throttling', 'unavailable', 'access-denied'] as const)(
    'gets later what %s kept back, once',
    async (fault) => {
      const server = await CloudWatchServer.start()
      server.always = fault
      let bytes = 0
      const { metrics, lines } = await publish(server, () => [
        { dimension, totals: { NetworkMirrorOut: bytes } },
      ])
      bytes = 700
      await expect.poll(() => server.requests).toBeGreaterThan(3)
      server.always = 'none'
      await expect.poll(() => server.calls.length).toBeGreaterThan(0)
      await metrics.stop()
      expect(server.sums()).toEqual({ 'InstanceId=i-1 NetworkMirrorOut': 700 })
      expect(lines).toEqual([
        expect.stringMatching(/^CloudWatch gets no metrics: /),
        'CloudWatch gets metrics again; 0 values are lost',
      ])
    },
  )

  test.each(['no-answer', 'stall'] as const)(
    'gets nothing twice where %s leaves open whether it was taken',
    async (fault) => {
      const server = await CloudWatchServer.start()
      const { metrics, lines } = await publish(
        server,
        () => [{ dimension, totals: { NetworkMirrorOut: server.requests } }],
        { silenceMs: 200 },
      )
      server.faults = ['none', fault]
      await expect.poll(() => metrics.lost).toBe(1)
      await metrics.stop()
      expect(server.sums()['InstanceId=i-1 NetworkMirrorOut']).toBeLessThanOrEqual(server.requests)
      expect(lines).toEqual([
        expect.stringMatching(/^1 values may never have reached CloudWatch: /),
      ])
    },
  )

  test('gives up the oldest values where too many wait, and says how many', async () => {
    const server = await CloudWatchServer.start()
    const counted = Array.from({ length: 1500 }, (_, index) => ({
      dimension: { name: 'NetworkInterfaceId', value: `eni-${index}` },
      totals: { NetworkMirrorIn: index },
    }))
    server.always = 'throttling'
    const { metrics, lines } = await publish(server, () => counted, { pointsMax: 2500 })
    await expect.poll(() => metrics.lost).toBeGreaterThan(1000)
    await expect.poll(() => lines.length).toBeGreaterThan(0)
    server.always = 'none'
    await metrics.stop()
    await expect.poll(() => server.calls.every((values) => values <= 1000)).toBe(true)
    expect(lines[0]).toMatch(/^CloudWatch gets no metrics: ThrottlingException/)
  })

  test('is told of a target what AWS tells of sources and endpoints, by what the inventory knows', () => {
    const of = (session: string, bytes: number) =>
      sessionReport({ session, ingressBytes: bytes, ingressPackets: 1, egressBytes: 1 })
    const ledger = new Ledger().report({
      kernelLost: 5,
      sessions: [of('tms-1', 10), of('tms-2', 20), of('tms-3', 40), of('vni-7_10.0.0.1', 80)],
    })
    const sessions: [string, object][] = [
      ['tms-1', { networkInterfaceId: 'eni-1' }],
      ['tms-2', { networkInterfaceId: 'eni-2' }],
      ['tms-3', { networkInterfaceId: 'eni-3' }],
    ]
    const interfaces: [string, object][] = [
      ['eni-1', { instanceId: 'i-1' }],
      ['eni-2', { instanceId: 'i-1' }],
    ]
    const resources = { sessions: new Map(sessions), interfaces: new Map(interfaces) }
    const counted = mirrored(ledger, resources as never, { name: 'Host', value: 'h' })
    const byName = counted.map(({ dimension: { name, value }, totals }) => [
      `${name}=${value}`,
      totals['NetworkMirrorIn'] ?? totals['PacketsDropped'],
    ])
    expect(byName).toEqual([
      ['InstanceId=i-1', 30],
      ['NetworkInterfaceId=eni-3', 40],
      ['Session=unregistered', 80],
      ['Host=h', 5],
    ])
  })
})
