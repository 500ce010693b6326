import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import type { DeliveryStatus } from '../../src/deliver/delivery.js'
import { Durations } from '../../src/durations.js'
import type { MetricsFacts } from '../../src/metrics/facts.js'
import { metricsPage } from '../../src/metrics/metrics-page.js'
import { Ledger } from '../../src/session/ledger.js'
import { NO_COUNTS, NO_LATENCY } from '../api/running-api.js'
import { hasTool } from '../support/tools.js'

function delivery(status: Partial<DeliveryStatus>): DeliveryStatus {
  return {
    ...{ name: 'a', what: 'fl-1', destination: 's3://one', waitingFiles: 0, waitingBytes: 0 },
    ...{ oldest: undefined, deliveredFiles: 0, deliveredBytes: 0, refusedRecords: 0 },
    ...{ lostFiles: 0, failures: 0, error: undefined, errorMessage: undefined },
    ...status,
  }
}

function ledger(counts: Partial<Ledger> = {}) {
  return Object.assign(new Ledger(), counts).report({ kernelLost: 3, sessions: [] })
}

const FACTS: MetricsFacts = {
  version: '1.2.3',
  isReady: true,
  ledger: ledger({ received: 12, accepted: 10, filtered: 2 }),
  workers: [
    { worker: 1, silentMs: 250, latency: { count: 4, sumSeconds: 0.5, quantiles: [1, 2, 3, 4] } },
    { worker: 2, silentMs: 0, latency: NO_LATENCY },
  ],
  waitingMs: { captures: undefined, 'flow logs': 1500 },
  receiveBuffer: { asked: 100, granted: 50 },
  spaces: [{ directory: '/a "b"', bytes: 10, availableBytes: 5, availableFiles: undefined }],
  deliveries: [],
  api: { counts: { ...NO_COUNTS, answered: 7 }, latency: NO_LATENCY },
  auditLinesLost: undefined,
}

/** Samples by name and labels, of a page that shows one fact after the other. */
async function scrape(...all: Partial<MetricsFacts>[]): Promise<Record<string, number>> {
  let facts = FACTS
  const page = metricsPage(async () => facts, false)
  let body = ''
  for (const some of all.length === 0 ? [{}] : all) {
    facts = { ...FACTS, ...some }
    body = String((await page.answer()).body)
  }
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, value] = /^(.*) (\S+)$/.exec(line)!
      return [name!.replace('mirrortap_', ''), Number(value)]
    }),
  )
}

describe('/metrics', () => {
  test('says of every packet where it went, and what else is known', async () => {
    expect(await scrape()).toMatchObject({
      received_packets_total: 12,
      'packets_total{outcome="accepted"}': 10,
      'packets_total{outcome="filtered"}': 2,
      'packets_total{outcome="malformed"}': 0,
      kernel_lost_packets_total: 3,
      'malformed_packets_total{reason="vxlan_truncated"}': 0,
      'processing_seconds{worker="1",quantile="0.99"}': 3,
      'processing_seconds_count{worker="1"}': 4,
      'processing_seconds{worker="2",quantile="0.5"}': Number.NaN,
      'disk_operation_seconds{what="flow logs"}': 1.5,
      'receive_buffer_bytes{which="granted"}': 50,
      'disk_available_bytes{directory="/a \\"b\\""}': 5,
      'api_requests_total{outcome="answered"}': 7,
      'build_info{version="1.2.3"}': 1,
      ready: 1,
    })
  })

  test('leaves out what is not known', async () => {
    const unknown = { ...ledger(), kernelLost: null }
    const names = Object.keys(await scrape({ ledger: unknown, api: undefined }))
    expect(names).not.toContain('kernel_lost_packets_total')
    expect(names.filter((name) => name.startsWith('api_'))).toEqual([])
  })

  test('no counter goes back while a thread that hangs is left out of the ledger', async () => {
    const full = ledger({ received: 12 })
    full.flows.recordsWritten = 5
    const shown = await scrape({ ledger: full }, { ledger: ledger({ received: 13 }) })
    expect(shown['flow_log_records_total{outcome="written"}']).toBe(5)
    expect(shown['received_packets_total']).toBe(13)
  })

  test('deliveries are summed by kind, and what ended ones delivered stays', async () => {
    const oldest = Date.now() - 60_000
    const failing = { error: 'Access error', oldest, waitingFiles: 2, waitingBytes: 20 } as const
    const shown = await scrape(
      {
        deliveries: [
          delivery({ name: 'a', deliveredFiles: 3 }),
          delivery({ name: 'b', destination: 's3://two', deliveredFiles: 4 }),
        ],
      },
      { deliveries: [delivery({ name: 'b', deliveredFiles: 5, ...failing })] },
    )
    expect(shown).toMatchObject({
      'delivered_files_total{kind="s3"}': 8,
      'delivery_waiting_files{kind="s3"}': 2,
      'deliveries_failing{kind="s3"}': 1,
    })
    expect(shown['delivery_lag_seconds{kind="s3"}']).toBeGreaterThanOrEqual(60)
  })

  test('is OpenMetrics', async () => {
    const { contentType, body } = await metricsPage(async () => FACTS, false).answer()
    expect(contentType).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
    const text = String(body)
    expect(text).toMatch(/\n# EOF\n$/)
    // A counter's family is named without what its samples end in.
    expect(text).toMatch(/^# TYPE mirrortap_received_packets counter\n/m)
    for (const [, name] of text.matchAll(/^# TYPE (mirrortap_\S+)/gm)) {
      expect(text.split(`# TYPE ${name} `)).toHaveLength(2)
    }
  })

  test.skipIf(!hasTool('promtool'))('passes promtool (needs promtool)', async () => {
    const { body } = await metricsPage(async () => FACTS, false).answer()
    // That reads Prometheus's older format, whose headers name counters in full.
    let text = String(body)
    for (const [, name] of text.matchAll(/^# TYPE (\S+) counter$/gm)) {
      text = text.replaceAll(new RegExp(`^(# (?:HELP|TYPE) ${name}) `, 'gm'), '$1_total ')
    }
    const { stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text })
    const found = String(stderr).split('\n')
    expect(found.filter((line) => line.startsWith('mirrortap_'))).toEqual([])
  })
})

test('durations of late are told as quantiles, all as a sum', () => {
  const durations = new Durations()
  for (let ms = 1; ms <= 1000; ms++) durations.record(ms * 1000)
  durations.record(-5)
  const { count, sumSeconds, quantiles } = durations.latency
  expect(count).toBe(1001)
  expect(sumSeconds).toBeCloseTo(500.5, 6)
  const relative = quantiles.map((value, at) => value / [0.5, 0.9, 0.99, 0.999][at]!)
  for (const one of relative) expect(one).toBeCloseTo(1, 1)
})
