import { describe, expect, test } from 'vitest'
import {
  CONFIGURED_FIELDS,
  DEFAULT_FIELDS,
  FIELDS,
  type FieldType,
  fieldNamed,
} from '../../src/flowlog/fields.js'

/** AWS's table ("Flow log records"): name, version, Parquet data type. */
const TABLE: readonly (readonly [string, number, FieldType])[] = [
  ['version', 2, 'int32'],
  ['account-id', 2, 'string'],
  ['interface-id', 2, 'string'],
  ['srcaddr', 2, 'string'],
  ['dstaddr', 2, 'string'],
  ['srcport', 2, 'int32'],
  ['dstport', 2, 'int32'],
  ['protocol', 2, 'int32'],
  ['packets', 2, 'int64'],
  ['bytes', 2, 'int64'],
  ['start', 2, 'int64'],
  ['end', 2, 'int64'],
  ['action', 2, 'string'],
  ['log-status', 2, 'string'],
  ['vpc-id', 3, 'string'],
  ['subnet-id', 3, 'string'],
  ['instance-id', 3, 'string'],
  ['tcp-flags', 3, 'int32'],
  ['type', 3, 'string'],
  ['pkt-srcaddr', 3, 'string'],
  ['pkt-dstaddr', 3, 'string'],
  ['region', 4, 'string'],
  ['az-id', 4, 'string'],
  ['sublocation-type', 4, 'string'],
  ['sublocation-id', 4, 'string'],
  ['pkt-src-aws-service', 5, 'string'],
  ['pkt-dst-aws-service', 5, 'string'],
  ['flow-direction', 5, 'string'],
  ['traffic-path', 5, 'int32'],
  ['ecs-cluster-arn', 7, 'string'],
  ['ecs-cluster-name', 7, 'string'],
  ['ecs-container-instance-arn', 7, 'string'],
  ['ecs-container-instance-id', 7, 'string'],
  ['ecs-container-id', 7, 'string'],
  ['ecs-second-container-id', 7, 'string'],
  ['ecs-service-name', 7, 'string'],
  ['ecs-task-definition-arn', 7, 'string'],
  ['ecs-task-arn', 7, 'string'],
  ['ecs-task-id', 7, 'string'],
  ['reject-reason', 8, 'string'],
  ['resource-id', 9, 'string'],
  ['encryption-status', 10, 'int32'],
  ['instance-tag', 11, 'string'],
  ['instance-tag-2', 11, 'string'],
  ['interface-tag', 11, 'string'],
  ['interface-tag-2', 11, 'string'],
  ['asg-tag', 11, 'string'],
  ['asg-tag-2', 11, 'string'],
  ['interface-type', 11, 'string'],
  ['next-hop-interface-id', 11, 'string'],
  ['next-hop-subnet-id', 11, 'string'],
  ['next-hop-az-id', 11, 'string'],
  ['next-hop-vpc-id', 11, 'string'],
  ['next-hop-interface-type', 11, 'string'],
]

describe('FIELDS', () => {
  test('are the 54 of the table, in its order, with its versions and types', () => {
    expect(FIELDS.map(({ name, version, type }) => [name, version, type])).toEqual(TABLE)
    expect(FIELDS).toHaveLength(54)
  })

  test('are found by name, and nothing else is', () => {
    for (const field of FIELDS) expect(fieldNamed(field.name)).toBe(field)
    expect(fieldNamed('srcport ')).toBeUndefined()
    expect(fieldNamed('constructor')).toBeUndefined()
  })

  test('holding numbers are of a number type', () => {
    for (const { name, type, filling } of FIELDS) {
      if (filling.from === 'number') expect(type, name).not.toBe('string')
      if (filling.from === 'word' || filling.from === 'address') expect(type, name).toBe('string')
    }
  })
})

describe('DEFAULT_FIELDS', () => {
  test('are the first 14', () => {
    expect(DEFAULT_FIELDS).toEqual(FIELDS.slice(0, 14))
  })
})

describe('CONFIGURED_FIELDS', () => {
  test('hold nothing that a packet carries', () => {
    const names = CONFIGURED_FIELDS.map((field) => field.name)
    expect(names).toContain('account-id')
    expect(names).toContain('traffic-path')
    expect(names).not.toContain('srcaddr')
    expect(names).not.toContain('version')
    expect(names).not.toContain('pkt-src-aws-service')
    expect(names).toHaveLength(35)
  })
})
