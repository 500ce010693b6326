import type { PoolOptions } from '../../src/appliance/pool.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'

/** What a small pool does with packets: flows of 16 sessions, and pcap files that are never rotated. */
export function poolColumn(captures: string): PoolOptions['column'] {
  return {
    sessionKey: 'source+vni',
    unknownSessions: 'accept',
    maxSessions: 16,
    maxFlows: 1000,
    sessionQuota: 1000,
    lifetime: LIFETIMES.nfw,
    duplicates: 'keep',
    capture: {
      directory: captures,
      format: 'pcap',
      snaplen: 0,
      rotateBytes: 1e9,
      rotateSeconds: 86_400 * 30,
      keepFiles: Number.POSITIVE_INFINITY,
      keepBytes: Number.POSITIVE_INFINITY,
      suffix: '',
    },
  }
}
