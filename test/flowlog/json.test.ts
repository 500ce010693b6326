// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a log format is written

import { describe, expect, test } from 'vitest'
import type { FlowRecord } from '../../src/flow/flow-record.js'
import { FIELDS } from '../../src/flowlog/fields.js'
import { JsonLine } from '../../src/flowlog/json.js'
import { parseLogFormat } from '../../src/flowlog/log-format.js'
import { NO_METADATA, SessionMetadata } from '../../src/flowlog/metadata.js'
import type { RecordEncoder } from '../../src/flowlog/record-encoder.js'
import { RecordLine } from '../../src/flowlog/text.js'
import { Random } from '../support/random.js'
import { randomRecord, sampleRecord } from './sample-records.js'

const ALL = parseLogFormat(FIELDS.map(({ name }) => `\${${name}}`).join(' '))

function lineOf(encoder: RecordEncoder, record: FlowRecord, metadata: SessionMetadata): string {
  const longest = encoder.maxLineLength(metadata, record)
  const block = Buffer.alloc(longest + 20, 0xa5)
  const past = encoder.encode(record, metadata, block, 5)
  expect(past - 5).toBeLessThanOrEqual(longest)
  expect(block.subarray(5 + longest).every((octet) => octet === 0xa5)).toBe(true)
  expect(block[past - 1]).toBe(0x0a)
  return block.toString('latin1', 5, past - 1)
}

const METADATA = new SessionMetadata({
  'account-id': '123456789012',
  'interface-id': 'eni-1',
  'ecs-cluster-arn': 'arn:"quoted"\\path',
  'traffic-path': '8',
  'instance-tag': 'a "b"',
})

describe('JsonLine', () => {
  test('writes numbers as numbers, text as strings and null for what is not known', () => {
    const record = sampleRecord({
      source: '2001:db8::1',
      destination: '2001:db8::2',
      sourcePort: 53,
      protocol: 17,
      packets: 1,
      bytes: Number.MAX_SAFE_INTEGER,
      startSeconds: 1700000000,
      endSeconds: 1700000001,
    })
    const line = lineOf(new JsonLine(parseLogFormat(undefined)), record, NO_METADATA)
    expect(line).toBe(
      '{"version":2,"account-id":null,"interface-id":null,"srcaddr":"2001:db8::1","dstaddr":"2001:db8::2","srcport":53,"dstport":0,"protocol":17,"packets":1,"bytes":9007199254740991,"start":1700000000,"end":1700000001,"action":"ACCEPT","log-status":"OK"}',
    )
  })

  test('has no header', () => {
    expect(new JsonLine(ALL).headerLine()).toBe('')
  })

  test('writes a field that is named twice once', () => {
    const format = parseLogFormat('${bytes} ${packets} ${bytes}')
    expect(lineOf(new JsonLine(format), sampleRecord({}), NO_METADATA)).toBe(
      '{"bytes":0,"packets":0}',
    )
  })

  test.each([1, 2, 3])('says what plain text says, in all fields, seed %i', (seed) => {
    const random = new Random(seed)
    const json = new JsonLine(ALL)
    const text = new RecordLine(ALL)
    for (let run = 0; run < 300; run++) {
      const record = randomRecord(random)
      const metadata = random.pick([NO_METADATA, METADATA])
      const object = JSON.parse(lineOf(json, record, metadata)) as Record<string, unknown>
      const values = lineOf(text, record, metadata).split(' ')
      expect(Object.keys(object)).toEqual(FIELDS.map(({ name }) => name))
      for (const [index, { name, type }] of FIELDS.entries()) {
        const value = values[index]!
        const expected = value === '-' ? null : type === 'string' ? value : Number(value)
        expect(object[name], name).toBe(expected)
      }
    }
  })
})
