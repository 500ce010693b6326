import type { Metric, Registry } from 'prom-client'
import type { Page, Route } from '../api/http/route.js'
import { sharedPage } from '../api/http/shared-page.js'
import { DeliveriesByKind } from './delivery-sums.js'
import type { MetricsFacts } from './facts.js'
import { METRIC_ROWS, type MetricRow, type Sampled, SUMMARY_ROWS, summaryValues } from './rows.js'
import { SessionSeries } from './session-series.js'

const PREFIX = 'mirrortap_'

/** `/metrics` as OpenMetrics has it. */
export function metricsPage(
  facts: () => Promise<MetricsFacts>,
  needsKey: boolean,
): Route & { answer(): Promise<Page> } {
  let metrics: Promise<Metrics> | undefined
  return {
    path: '/metrics',
    needsKey,
    answer: sharedPage(async () => {
      metrics ??= Metrics.open()
      const { registry, show } = await metrics
      show(await facts())
      return {
        status: 200,
        contentType: registry.contentType,
        body: Buffer.from(await registry.metrics()),
      }
    }),
  }
}

class Metrics {
  readonly registry: Registry
  readonly #sessions = new SessionSeries()
  readonly #deliveries = new DeliveriesByKind()
  #latest: Sampled | undefined = undefined

  private constructor(registry: Registry) {
    this.registry = registry
  }

  /** prom-client is loaded when somebody asks. */
  static async open(): Promise<Metrics> {
    const { collectDefaultMetrics, Registry } = await import('prom-client')
    const registry = new Registry()
    // Its type wants the content type known before it is set.
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never)
    const metrics = new Metrics(registry)
    for (const row of METRIC_ROWS) metrics.#register(row)
    for (const { name, help, read } of SUMMARY_ROWS) {
      const full = PREFIX + name
      metrics.#add(full, help, 'summary', () =>
        [...read(metrics.#latest!)].flatMap(({ labels, latency }) =>
          summaryValues(full, labels, latency),
        ),
      )
    }
    collectDefaultMetrics({ register: registry })
    return metrics
  }

  readonly show = (facts: MetricsFacts): void => {
    this.#sessions.update(facts.ledger)
    this.#latest = {
      ...facts,
      sessions: this.#sessions.samples(),
      deliverySums: this.#deliveries.update(facts.deliveries, Date.now()),
    }
  }

  #register({ name, help, kind, read }: MetricRow): void {
    let before = new Map<string, number>()
    this.#add(PREFIX + name, help, kind, () => {
      const shown = new Map<string, number>()
      const values = []
      for (const { labels = {}, value: known } of read(this.#latest!)) {
        if (known === null) continue
        const key = Object.values(labels).join('\n')
        // Does not go back while a thread that does not answer is left out of a report.
        const value = kind === 'counter' ? Math.max(before.get(key) ?? 0, known) : known
        shown.set(key, value)
        values.push({ labels, value })
      }
      before = shown
      return values
    })
  }

  /** What the registry asks of a metric, which may be any object: the values are those of a moment, counted elsewhere. */
  #add(name: string, help: string, type: string, values: () => readonly object[]): void {
    const metric = {
      name,
      help,
      type,
      get: async () => ({ name: metric.name, help, type, aggregator: 'sum', values: values() }),
    }
    this.registry.registerMetric(metric as unknown as Metric)
  }
}
