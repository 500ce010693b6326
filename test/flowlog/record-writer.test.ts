// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a log format is written

import { describe, expect, test } from 'vitest'
import { JsonLine } from '../../src/flowlog/json.js'
import { parseLogFormat } from '../../src/flowlog/log-format.js'
import { NO_METADATA, SessionMetadata } from '../../src/flowlog/metadata.js'
import { RecordWriter } from '../../src/flowlog/record-writer.js'
import { RecordLine } from '../../src/flowlog/text.js'
import { MemorySink } from '../support/memory-sink.js'
import { sampleRecord } from './sample-records.js'

const FORMAT = parseLogFormat('${srcport} ${instance-tag}')
const record = sampleRecord({ sourcePort: 80 })

describe('RecordWriter', () => {
  test('writes the header once, then a line for each record', () => {
    const sink = new MemorySink(1000)
    const writer = new RecordWriter(sink, new RecordLine(FORMAT))
    expect(writer.write(record, NO_METADATA)).toBe(true)
    expect(writer.write(record, NO_METADATA)).toBe(true)
    expect(sink.text).toBe('srcport instance-tag\n80 -\n80 -\n')
    expect(writer.bytes).toBe(sink.pendingBytes)
  })

  test('writes the header alone when asked, and not again', () => {
    const sink = new MemorySink(1000)
    const writer = new RecordWriter(sink, new RecordLine(FORMAT))
    expect(writer.writeHeader()).toBe(true)
    expect(writer.write(record, NO_METADATA)).toBe(true)
    expect(writer.writeHeader()).toBe(true)
    expect(sink.text).toBe('srcport instance-tag\n80 -\n')
  })

  test('writes no header where the form has none', () => {
    const sink = new MemorySink(1000)
    const writer = new RecordWriter(sink, new JsonLine(FORMAT))
    expect(writer.write(record, NO_METADATA)).toBe(true)
    expect(sink.text).toBe('{"srcport":80,"instance-tag":null}\n')
  })

  test('says no and writes nothing of a record that the sink has no room for', () => {
    const line = new RecordLine(FORMAT)
    const enough = line.headerLine().length + line.maxLineLength(NO_METADATA)
    for (let limit = 0; limit <= enough; limit++) {
      const sink = new MemorySink(limit)
      const writer = new RecordWriter(sink, line)
      expect(writer.write(record, NO_METADATA)).toBe(limit === enough)
      expect(['', 'srcport instance-tag\n', 'srcport instance-tag\n80 -\n']).toContain(sink.text)
      expect(writer.bytes).toBe(sink.pendingBytes)
    }
  })

  test('makes room for lines longer than any before', () => {
    const sink = new MemorySink(100_000)
    const writer = new RecordWriter(sink, new RecordLine(parseLogFormat('${asg-tag} '.repeat(30))))
    const long = new SessionMetadata({ 'asg-tag': 'y'.repeat(3000) })
    expect(writer.write(record, NO_METADATA)).toBe(true)
    expect(writer.write(record, long)).toBe(true)
    expect(writer.write(record, NO_METADATA)).toBe(true)
    const lines = sink.text.split('\n')
    expect(lines.map((line) => line.split(' ').length)).toEqual([30, 30, 30, 30, 1])
    expect(lines[2]).toBe(Array(30).fill('y'.repeat(3000)).join(' '))
  })
})
