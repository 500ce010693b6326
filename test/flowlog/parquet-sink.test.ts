import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FIELDS } from '../../src/flowlog/fields.js'
import { parseLogFormat } from '../../src/flowlog/log-format.js'
import { NO_METADATA, SessionMetadata } from '../../src/flowlog/metadata.js'
import { ParquetSink } from '../../src/flowlog/parquet-sink.js'
import { RecordWriter } from '../../src/flowlog/record-writer.js'
import { RecordLine } from '../../src/flowlog/text.js'
import { BlockPool } from '../../src/sink/block-pool.js'
import { openSink } from '../../src/sink/open.js'
import { FailingDisk } from '../support/failing-disk.js'
import { MemorySink } from '../support/memory-sink.js'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'
import { asText, readParquet, readParquetMetadata, rowsOfText } from './parquet-file.js'
import { randomRecord, sampleRecord } from './sample-records.js'

const duckdb = await import('@duckdb/node-api').catch(() => undefined)
const limitBytes = Number.POSITIVE_INFINITY
const ALL = parseLogFormat(FIELDS.map(({ name }) => `\${${name}}`).join(' '))
const METADATA = new SessionMetadata({
  'account-id': '123456789012',
  'interface-id': 'eni-0123456789abcdef0',
  'traffic-path': '8',
  'instance-tag': 'a b-é',
  'asg-tag': '-',
})

function sinkTo(path: string): ParquetSink {
  return new ParquetSink(openSink(path, { limitBytes }), {
    pool: new BlockPool(limitBytes),
    limitBytes,
  })
}

/** Writes `count` random records to a Parquet file, and says what plain text says of them. */
async function writeRandom(path: string, count: number, seed: number): Promise<string> {
  const random = new Random(seed)
  const sink = sinkTo(path)
  const text = new MemorySink(count * 1200 + 4096)
  const writers = [sink, text].map((to) => new RecordWriter(to, new RecordLine(ALL)))
  for (let number = 0; number < count; number++) {
    const record = randomRecord(random)
    for (const writer of writers) writer.write(record, METADATA)
  }
  await sink.close()
  return text.text
}

describe('ParquetSink', () => {
  test('says what plain text says, in all fields, as hyparquet reads it, seed 11', async () => {
    const path = join(temporaryDirectory(), 'flows.parquet')
    const text = await writeRandom(path, 500, 11)
    const rows = await readParquet(path)
    expect(rows).toHaveLength(500)
    expect(asText(rows)).toEqual(rowsOfText(text))
    expect(rows.some(({ srcaddr }) => srcaddr === null)).toBe(true)
    expect(rows.some(({ bytes }) => BigInt(bytes ?? 0) > 2n ** 40n)).toBe(true)
    expect(rows[0]).toMatchObject({ version: 11, asg_tag: '%2D', instance_tag: 'a%20b-%C3%A9' })
  })

  test.skipIf(duckdb === undefined)(
    'says what plain text says, in all fields, as DuckDB reads it, seed 12 (needs @duckdb/node-api)',
    async () => {
      const path = join(temporaryDirectory(), 'flows.parquet')
      const text = await writeRandom(path, 300, 12)
      const connection = await (await duckdb!.DuckDBInstance.create()).connect()
      const read = await connection.runAndReadAll(`SELECT * FROM read_parquet('${path}')`)
      expect(asText(read.getRowObjectsJson() as never)).toEqual(rowsOfText(text))
      connection.closeSync()
    },
  )

  test("has AWS's columns and types, and pages of gzip", async () => {
    const path = join(temporaryDirectory(), 'flows.parquet')
    await writeRandom(path, 3, 13)
    const { schema, row_groups, created_by } = readParquetMetadata(path)
    const types = { int32: ['INT32'], int64: ['INT64'], string: ['BYTE_ARRAY', 'UTF8'] }
    expect(
      schema.slice(1).map(({ name, type, converted_type, repetition_type }) => ({
        name,
        repetition_type,
        type: converted_type === undefined ? [type] : [type, converted_type],
      })),
    ).toEqual(
      FIELDS.map(({ name, type }) => ({
        name: name.replaceAll('-', '_'),
        repetition_type: 'OPTIONAL',
        type: types[type],
      })),
    )
    const codecs = row_groups.flatMap(({ columns }) => columns.map((c) => c.meta_data!.codec))
    expect(new Set(codecs)).toEqual(new Set(['GZIP']))
    expect(created_by).toBe('mirrortap')
  })

  test('begins another group of rows where one is full, and keeps their order', async () => {
    const path = join(temporaryDirectory(), 'flows.parquet')
    const sink = sinkTo(path)
    const writer = new RecordWriter(sink, new RecordLine(parseLogFormat('${packets}')))
    const record = sampleRecord({})
    for (record.packets = 0; record.packets < 40_000; record.packets++) {
      writer.write(record, NO_METADATA)
    }
    await sink.close()
    const groups = readParquetMetadata(path).row_groups.map(({ num_rows }) => Number(num_rows))
    expect(groups).toEqual([32_768, 40_000 - 32_768])
    const rows = await readParquet(path)
    expect(rows.findIndex(({ packets }, at) => packets !== BigInt(at))).toBe(-1)
  })

  test('is a file with columns and no rows where there were no records', async () => {
    const path = join(temporaryDirectory(), 'flows.parquet')
    const sink = sinkTo(path)
    new RecordWriter(sink, new RecordLine(ALL)).writeHeader()
    await sink.close()
    expect(await readParquet(path)).toEqual([])
    expect(readParquetMetadata(path).schema).toHaveLength(1 + FIELDS.length)
  })

  test('has a field that the format names twice once', async () => {
    const path = join(temporaryDirectory(), 'flows.parquet')
    const sink = sinkTo(path)
    const format = parseLogFormat('${srcport} ${dstport} ${srcport}')
    new RecordWriter(sink, new RecordLine(format)).write(
      sampleRecord({ sourcePort: 7, destinationPort: 8 }),
      NO_METADATA,
    )
    await sink.close()
    expect(await readParquet(path)).toEqual([{ srcport: 7, dstport: 8 }])
  })

  test('leaves no file when it is discarded', async () => {
    const dir = temporaryDirectory()
    const sink = sinkTo(join(dir, 'flows.parquet'))
    const writer = new RecordWriter(sink, new RecordLine(ALL))
    writer.write(sampleRecord({}), NO_METADATA)
    await sink.discard()
    expect(readdirSync(dir)).toEqual([])
  })

  test.each([0, 1000])('leaves no file on a disk with room for %d bytes', async (room) => {
    const path = join(temporaryDirectory(), 'flows.parquet')
    const disk = new FailingDisk()
    disk.room = room
    await expect(writeRandom(path, 500, 14)).rejects.toThrow('no space left on the device')
    expect(existsSync(path)).toBe(false)
    expect(existsSync(`${path}.part`)).toBe(false)
  })
})
