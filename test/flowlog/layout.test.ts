import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import {
  bucketOf,
  FlowLogLayout,
  type LayoutOptions,
  makeFlowLogId,
} from '../../src/flowlog/layout.js'

const NAMED = { accountId: '123456789012', region: 'us-east-1', flowLogId: 'fl-1234abcd' }
/** 2018-06-20T16:20:00Z, as in the guide's example of a file name. */
const BUCKET = Date.UTC(2018, 5, 20, 16, 20) / 1000
const FILE = '123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz'

describe('FlowLogLayout', () => {
  test.each([
    ['9999', Date.UTC(9999, 11, 31) / 1000, '9999/12/31'],
    ['12000', Date.UTC(12_000, 1, 29) / 1000, '12000/02/29'],
    ['401970', 12_622_780_800_000, '401970/01/01'],
  ])('has the digits of the year %s alone in its paths', (_year, bucket, path) => {
    const key = new FlowLogLayout(NAMED).key(bucket, 'fe123456')
    expect(key).toContain(`/us-east-1/${path}/`)
    expect(key).toContain(`_${path.replaceAll('/', '')}T0000Z_`)
  })

  test.each<[string, LayoutOptions, string]>([
    ['plain', NAMED, `AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/${FILE}`],
    [
      'per hour',
      { ...NAMED, perHourPartition: true },
      `AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/16/${FILE}`,
    ],
    [
      'Hive',
      { ...NAMED, hiveCompatiblePartitions: true },
      `AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2018/month=06/day=20/${FILE}`,
    ],
    [
      'Hive per hour',
      { ...NAMED, hiveCompatiblePartitions: true, perHourPartition: true },
      `AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2018/month=06/day=20/hour=16/${FILE}`,
    ],
    [
      'Parquet',
      { ...NAMED, fileFormat: 'parquet' },
      `AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/${FILE.replace('.log.gz', '.log.parquet')}`,
    ],
    [
      'nothing configured',
      { flowLogId: NAMED.flowLogId, accountId: '', region: '-' },
      'AWSLogs/unknown/vpcflowlogs/unknown/2018/06/20/unknown_vpcflowlogs_unknown_fl-1234abcd_20180620T1620Z_fe123456.log.gz',
    ],
  ])('names files: %s', (_name, options, key) => {
    expect(new FlowLogLayout(options).key(BUCKET, 'fe123456')).toBe(key)
  })

  test('pads what is short, and turns the year in UTC', () => {
    const layout = new FlowLogLayout({ ...NAMED, perHourPartition: true })
    expect(layout.key(Date.UTC(2027, 0, 1) / 1000, '00000000')).toContain(
      '/2027/01/01/00/123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20270101T0000Z_00000000',
    )
    expect(layout.key(Date.UTC(2026, 11, 31, 23, 55) / 1000, '00000000')).toContain(
      '/2026/12/31/23/',
    )
    expect(layout.key(0, '00000000')).toContain('/1970/01/01/00/')
  })

  test('makes an id of its own and keeps it', () => {
    const layout = new FlowLogLayout()
    expect(layout.flowLogId).toMatch(/^fl-[0-9a-f]{17}$/)
    expect(layout.key(0, '00000000')).toContain(`_${layout.flowLogId}_`)
    expect(makeFlowLogId()).not.toBe(makeFlowLogId())
  })

  test.each<LayoutOptions>([
    { accountId: '../../etc' },
    { accountId: 'a/b' },
    { region: '..' },
    { region: 'eu west' },
    { region: 'x'.repeat(65) },
    { flowLogId: 'fl-xyz' },
    { flowLogId: '../fl-1234abcd' },
    { flowLogId: '' },
  ])('refuses what cannot be part of a path: %j', (options) => {
    expect(() => new FlowLogLayout(options)).toThrow(OperatorError)
  })
})

describe('bucketOf', () => {
  test.each([
    [0, 0],
    [299, 0],
    [300, 300],
    [1529511600, 1529511600],
    [1529511899, 1529511600],
    [1529511900, 1529511900],
    [4_102_444_799, 4_102_444_500],
  ])('files a record that ends at %i under %i', (end, bucket) => {
    expect(bucketOf(end)).toBe(bucket)
  })
})
