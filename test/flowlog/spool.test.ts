import { describe, expect, test } from 'vitest'
import { parquetOf, spoolOf } from '../../src/flowlog/spool.js'

describe('spoolOf', () => {
  test('is hidden beside its file, and says which that is', () => {
    const path = '/logs/day=01/1_vpcflowlogs_eu_fl-1_20260301T1200Z_0a.log.parquet'
    const spool = '/logs/day=01/.1_vpcflowlogs_eu_fl-1_20260301T1200Z_0a.log.gz'
    expect(spoolOf(path)).toBe(spool)
    expect(parquetOf(spool)).toBe(path)
  })

  test.each(['/logs/a.log.gz', '/logs/.a.log.gz.part', '/logs/.log.gz', '/logs/.a.pcap.gz'])(
    'of no file is %s',
    (path) => {
      expect(parquetOf(path)).toBeUndefined()
    },
  )
})
