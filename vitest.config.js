import { defineConfig } from 'vitest/config'

/** A machine that is busy with other work takes its time; only what hangs should reach this. */
const HANGS_AFTER_MS = 120_000

export default defineConfig({
  test: {
    // Nobody but a server of the tests is asked for credentials.
    env: { AWS_EC2_METADATA_DISABLED: 'true' },
    testTimeout: HANGS_AFTER_MS,
    hookTimeout: HANGS_AFTER_MS,
    teardownTimeout: HANGS_AFTER_MS,
    expect: { poll: { timeout: HANGS_AFTER_MS } },
  },
})
