import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  connectionsWithin,
  type FileLimits,
  fileLimits,
  fileLimitsWarning,
  LASTED_SHARE,
} from '../../src/appliance/file-limits.js'
import { descriptorLimit } from '../../src/sink/descriptor-limit.js'
import { IS_BUILT, NEEDS_BUILD } from '../e2e/program.js'

const API = { api: 512, others: 0 }
const NONE = { api: 0, others: 0 }

describe('the descriptors of a process', () => {
  test.skipIf(!IS_BUILT)(`are as many as its shell allows${NEEDS_BUILD}`, () => {
    const module = join(import.meta.dirname, '../../dist/sink/descriptor-limit.js')
    const script = `import(${JSON.stringify(module)}).then((m) => console.log(m.descriptorLimit()))`
    const run = `ulimit -n 300; exec "$0" -e '${script}'`
    expect(execFileSync('sh', ['-c', run, process.execPath], { encoding: 'utf8' })).toBe('300\n')
    expect(descriptorLimit()).toBeGreaterThan(0)
  })

  test('are shared out so that workers, connections and what is left fit', () => {
    for (const limit of [256, 512, 1024, 4096, 20_000, 524_288, Number.MAX_SAFE_INTEGER]) {
      for (const workers of [1, 2, 8]) {
        const { captures, flowLogs } = fileLimits(workers, API, limit)
        expect(captures).toBeGreaterThan(0)
        if (limit / workers < 128) continue
        const used = workers * (captures + flowLogs + 16) + connectionsWithin(512, limit)
        expect(used + 48).toBeLessThanOrEqual(limit)
        expect(used + 48 + 2 * workers).toBeGreaterThan(limit - workers)
      }
    }
  })

  test('leave room for health checks and readers of packets', () => {
    const sum = ({ captures, flowLogs }: FileLimits): number => captures + flowLogs
    const without = sum(fileLimits(1, API, 1024))
    expect(sum(fileLimits(1, { ...API, others: 48 }, 1024))).toBe(without - 48)
  })

  test('bound captures below --max-sessions, which is said with the limit that is enough', () => {
    expect(fileLimitsWarning(1024, 1, NONE, 20_000)).toBeUndefined()
    for (const [sessions, workers] of [
      [1024, 1],
      [1024, 4],
      [65_000, 2],
    ] as const) {
      const said = fileLimitsWarning(sessions, workers, API, 512)
      const needed = Number(/"ulimit -n (\d+)"/.exec(said!)?.[1])
      expect(fileLimitsWarning(sessions, workers, API, needed)).toBeUndefined()
      expect(fileLimits(workers, API, needed).captures * LASTED_SHARE).toBeLessThan(sessions + 4)
    }
    expect(fileLimitsWarning(1024, 1, NONE, 512)).toBe(
      '512 files may be open at a time: at most 294 of 1024 unknown sessions (--max-sessions) ' +
        'are captured; for all of them run "ulimit -n 1626" first',
    )
  })
})
