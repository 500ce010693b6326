import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { type ConfiguredFieldName, FIELDS } from '../../src/flowlog/fields.js'
import { parseLogFormat } from '../../src/flowlog/log-format.js'
import {
  MAX_METADATA_LEN,
  type MetadataValues,
  NO_METADATA,
  SessionMetadata,
} from '../../src/flowlog/metadata.js'
import { RecordLine } from '../../src/flowlog/text.js'
import { sampleRecord } from './sample-records.js'

/** What a column of that session shows. */
function shown(name: ConfiguredFieldName, value: string): string {
  const metadata = new SessionMetadata({ [name]: value })
  const line = new RecordLine(parseLogFormat(`\${${name}}`))
  const block = Buffer.alloc(line.maxLineLength(metadata))
  const record = sampleRecord({ direction: 'egress' })
  return block.toString('latin1', 0, line.encode(record, metadata, block, 0) - 1)
}

function refusal(values: MetadataValues): string {
  try {
    new SessionMetadata(values)
  } catch (error) {
    expect(error).toBeInstanceOf(OperatorError)
    expect((error as OperatorError).exitCode).toBe(2)
    expect((error as OperatorError).message).not.toContain('\n')
    return (error as OperatorError).message
  }
  throw new Error('accepted')
}

describe('SessionMetadata', () => {
  test.each([
    ['account-id', '123456789012', '123456789012'],
    ['interface-id', 'eni-1235b8ca123456789', 'eni-1235b8ca123456789'],
    [
      'ecs-task-arn',
      'arn:aws:ecs:eu-west-1:1:task/c/"1\\"',
      'arn:aws:ecs:eu-west-1:1:task/c/"1\\"',
    ],
    ['traffic-path', '8', '8'],
    ['encryption-status', '03', '3'],
    ['vpc-id', '', '-'],
    ['vpc-id', '-', '-'],
    ['instance-tag', 'web server #1', 'web%20server%20%231'],
    ['instance-tag-2', "it's (100%)*!", 'it%27s%20%28100%25%29%2A%21'],
    ['interface-tag', 'Zürich 東京 🚀', 'Z%C3%BCrich%20%E6%9D%B1%E4%BA%AC%20%F0%9F%9A%80'],
    ['interface-tag-2', 'a-b_c.d~e', 'a-b_c.d~e'],
    ['asg-tag', '-', '%2D'],
    ['asg-tag-2', '\ttab\n', '%09tab%0A'],
    ['instance-tag', 'half a \ud83d', 'half%20a%20%EF%BF%BD'],
  ] as const)('shows %s %j as %s', (name, value, text) => {
    expect(shown(name, value)).toBe(text)
  })

  test.each([
    ['interface-id', 'eni 1'],
    ['interface-id', 'eni-1\n'],
    ['interface-id', ' '],
    ['vpc-id', 'vpc-\u0000'],
    ['vpc-id', 'vpc-\u007f'],
    ['subnet-id', 'subnet-é'],
    ['region', 'eu\u2028west'],
  ] as const)('refuses %s %j', (name, value) => {
    expect(refusal({ [name]: value })).toContain(`${name}: ${JSON.stringify(value)} has a space`)
  })

  test.each(['x', '-1', '1.5', '0x10', '2147483648', '1e3', '99999999999'])(
    'refuses traffic-path %s',
    (value) => {
      expect(refusal({ 'traffic-path': value })).toContain(
        'not a whole number from 0 to 2147483647',
      )
    },
  )

  test('refuses a value longer than any tag', () => {
    const longest = '🚀'.repeat(MAX_METADATA_LEN / 12)
    expect(shown('instance-tag', longest)).toHaveLength(MAX_METADATA_LEN)
    expect(refusal({ 'instance-tag': `${longest}x` })).toContain('the most is 3072')
  })

  test('refuses what packets carry and what is no field', () => {
    expect(refusal({ srcaddr: '10.0.0.1' } as MetadataValues)).toContain('srcaddr')
    expect(refusal({ 'vpc-idd': 'vpc-1' } as MetadataValues)).toContain('vpc-idd')
  })

  test('holds a hyphen and null for everything left out', () => {
    for (const [index, field] of FIELDS.entries()) {
      expect(NO_METADATA.text[index]!.length, field.name).toBe(1)
      expect(NO_METADATA.json[index]!.length, field.name).toBe(4)
    }
  })
})
