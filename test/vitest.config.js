import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** A machine that is busy with other work takes its time; only what hangs should reach this. */
const HANGS_AFTER_MS = 120_000

/** What a test mentions that asks other programs, SDKs or browsers for their judgement. */
const JUDGES =
  /\bhasTool\b|\bHAS_LIBPCAP\b|playwright-core|@duckdb\/node-api|@aws-sdk\/client-|python3/

const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => join(import.meta.dirname, name))
const endToEnd = files.filter((file) => file.startsWith(join(import.meta.dirname, 'e2e/')))
const judged = files.filter(
  (file) => !endToEnd.includes(file) && JUDGES.test(readFileSync(file, 'utf8')),
)
const unit = files.filter((file) => !endToEnd.includes(file) && !judged.includes(file))

/** Of each of these files so many of a hundred lines must have been run by a test. */
const LINES_TESTED = 90
const PACKET_PATH = 'src/{wire,receive,session,flow,pcap,sink,flowlog,filter,mirror}/**/*.ts'

/**
 * Not measured, since coverage is not collected from threads that the built program starts: the
 * two ends of a converting thread. What the thread does is in spool-conversion.ts, which is.
 */
const IN_THREADS = ['src/flowlog/spool-thread.ts', 'src/flowlog/spool-worker.ts']

const limits = {
  testTimeout: HANGS_AFTER_MS,
  hookTimeout: HANGS_AFTER_MS,
  teardownTimeout: HANGS_AFTER_MS,
  expect: { poll: { timeout: HANGS_AFTER_MS } },
}

const project = (name, include, more = {}) => ({
  extends: true,
  test: { name, include, ...more },
})

export default defineConfig({
  root: join(import.meta.dirname, '..'),
  test: {
    ...limits,
    // Nobody but a server of the tests is asked for credentials.
    env: { AWS_EC2_METADATA_DISABLED: 'true' },
    // What one file puts in the place of something is gone before the next.
    restoreMocks: true,
    unstubEnvs: true,
    projects: [
      // Needs nothing but Node and the packages. A process for each file, and its modules loaded
      // anew, would cost 0.7 s of a processor a file.
      project('unit', unit, { isolate: false }),
      // Compares with other programs, SDKs and browsers, where they are installed.
      project('judges', judged, { isolate: false }),
      // Runs the built program, with real sockets, signals and network namespaces. Half of the
      // time these tests wait for it, so more run at a time than there are processors.
      project('end-to-end', endToEnd, {
        isolate: false,
        maxWorkers: 2 * availableParallelism(),
        sequence: { groupOrder: 1 },
      }),
    ],
    coverage: {
      include: ['src/**/*.ts'],
      exclude: IN_THREADS,
      reporter: ['text', 'json-summary'],
      reportsDirectory: 'out/coverage',
      thresholds: { perFile: true, [PACKET_PATH]: { lines: LINES_TESTED } },
    },
  },
})
