// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a log format is written

import { describe, expect, test } from 'vitest'
import type { FieldType } from '../../src/flowlog/fields.js'
import { FIELDS_MAX, parseLogFormat } from '../../src/flowlog/log-format.js'
import { TRANSIT_GATEWAY_FIELDS } from '../../src/flowlog/transit-gateway-fields.js'

/** AWS's table ("Transit Gateway Flow Log records"): name, version, Parquet data type. */
const TABLE: readonly (readonly [string, number, FieldType])[] = [
  ['version', 2, 'int32'],
  ['resource-type', 6, 'string'],
  ['account-id', 2, 'string'],
  ['tgw-id', 6, 'string'],
  ['tgw-attachment-id', 6, 'string'],
  ['tgw-src-vpc-account-id', 6, 'string'],
  ['tgw-dst-vpc-account-id', 6, 'string'],
  ['tgw-src-vpc-id', 6, 'string'],
  ['tgw-dst-vpc-id', 6, 'string'],
  ['tgw-src-subnet-id', 6, 'string'],
  ['tgw-dst-subnet-id', 6, 'string'],
  ['tgw-src-eni', 6, 'string'],
  ['tgw-dst-eni', 6, 'string'],
  ['tgw-src-az-id', 6, 'string'],
  ['tgw-dst-az-id', 6, 'string'],
  ['tgw-pair-attachment-id', 6, 'string'],
  ['srcaddr', 2, 'string'],
  ['dstaddr', 2, 'string'],
  ['srcport', 2, 'int32'],
  ['dstport', 2, 'int32'],
  ['protocol', 2, 'int32'],
  ['packets', 2, 'int64'],
  ['bytes', 2, 'int64'],
  ['start', 2, 'int64'],
  ['end', 2, 'int64'],
  ['log-status', 2, 'string'],
  ['type', 3, 'string'],
  ['packets-lost-no-route', 6, 'int64'],
  ['packets-lost-blackhole', 6, 'int64'],
  ['packets-lost-mtu-exceeded', 6, 'int64'],
  ['packets-lost-ttl-expired', 6, 'int64'],
  ['tcp-flags', 3, 'int32'],
  ['region', 4, 'string'],
  ['flow-direction', 5, 'string'],
  ['pkt-src-aws-service', 5, 'string'],
  ['pkt-dst-aws-service', 5, 'string'],
]

describe('TRANSIT_GATEWAY_FIELDS', () => {
  test('are those of AWS’s table, in its order, and all in the default format of version 6', () => {
    const { fields, version, text } = parseLogFormat(undefined, TRANSIT_GATEWAY_FIELDS)
    expect(fields.map((field) => [field.name, field.version, field.type])).toEqual(TABLE)
    expect(version).toBe(6)
    expect(fields.length).toBeLessThanOrEqual(FIELDS_MAX)
    expect(parseLogFormat(text, TRANSIT_GATEWAY_FIELDS).fields).toEqual(fields)
  })

  test('are not those of VPC flow logs', () => {
    expect(() => parseLogFormat('${tgw-id}')).toThrow("unknown field 'tgw-id'")
    expect(() => parseLogFormat('${action}', TRANSIT_GATEWAY_FIELDS)).toThrow('unknown field')
  })
})
