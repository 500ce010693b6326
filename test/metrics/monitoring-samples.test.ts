import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { METRIC_ROWS, SUMMARY_ROWS } from '../../src/metrics/rows.js'
import { hasTool } from '../support/tools.js'

const DIRECTORY = join(import.meta.dirname, '../../samples/monitoring')
const read = (name: string) => readFileSync(join(DIRECTORY, name), 'utf8')

const NAMES = new Set([
  ...METRIC_ROWS.map(({ name, kind }) => (kind === 'counter' ? `${name}_total` : name)),
  ...SUMMARY_ROWS.map(({ name }) => name),
])

describe('samples/monitoring', () => {
  test.each(['alerts.yml', 'grafana-dashboard.json'])('%s asks for metrics there are', (name) => {
    const asked = [...read(name).matchAll(/\bmirrortap_([a-z_]+)/g)].map(([, found]) => found!)
    expect(asked.length).toBeGreaterThan(10)
    expect(asked.filter((found) => !NAMES.has(found))).toEqual([])
  })

  test('no two panels of the dashboard lie on each other', () => {
    const { panels } = JSON.parse(read('grafana-dashboard.json')) as {
      panels: { title: string; gridPos: { x: number; y: number; w: number; h: number } }[]
    }
    const taken = new Map<string, string>()
    for (const { title, gridPos } of panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(x).toBeLessThan(24)
          expect(taken.get(`${x},${y}`) ?? title).toBe(title)
          taken.set(`${x},${y}`, title)
        }
      }
    }
  })

  test.skipIf(!hasTool('promtool'))('promtool takes rules and scraping (needs promtool)', () => {
    for (const [what, name] of [
      ['rules', 'alerts.yml'],
      ['config', 'prometheus.yml'],
    ] as const) {
      const { status, stdout, stderr } = spawnSync(
        'promtool',
        ['check', what, join(DIRECTORY, name)],
        { encoding: 'utf8' },
      )
      expect({ status, said: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, said: '' })
    }
  })
})
