import { deepStrictEqual, match, ok } from 'node:assert'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { StreamLines } from '../../../src/cli/flow-log/stream-lines.js'
import { CaptureInput } from '../../../src/pcap/capture-input.js'
import { readFlowLog } from '../../../src/query/flow-log-file.js'
import { formOf, HEAD_LEN } from '../../../src/query/input-form.js'
import type { RecordOutput } from '../../../src/query/record-lines.js'
import type { FuzzTarget } from '../target.js'

const HEADER =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status'
const RECORD = '2 111122223333 eni-1 10.0.0.1 10.0.0.2 1 2 17 1 40 1700000000 1700000060 ACCEPT OK'
const EVENT = { timestamp: 1, message: RECORD }

const FORMS: readonly Buffer[] = [
  `${HEADER}\n${RECORD}\n${RECORD}\n`,
  `${RECORD}\r\n`,
  `2026-03-01T12:00:00.000Z ${RECORD}\n`,
  `2026-03-01T12:00:00.000Z stream ${RECORD}\n`,
  `timestamp,message\n1,${RECORD}\n2,"${RECORD}"\n`,
  JSON.stringify({ events: [EVENT, EVENT], nextToken: 'a' }),
  JSON.stringify({ messageType: 'DATA_MESSAGE', logEvents: [EVENT] }),
  JSON.stringify({ results: [[{ field: '@message', value: RECORD }]] }),
  JSON.stringify([EVENT, RECORD]),
  `${JSON.stringify(EVENT)}${JSON.stringify(EVENT)}`,
  '{"version":2,"srcaddr":"10.0.0.1","interface_id":"eni-1","bytes":null}\n',
].map((text) => Buffer.from(text))

/** Holds what is passed on to what DuckDB is told of it: words of single spaces, as many as fields. */
class StrictOutput implements RecordOutput {
  text = ''
  #fields = 0

  begin(format: { readonly names: readonly string[] }): boolean {
    this.#check()
    this.#fields = format.names.length
    return true
  }

  write(bytes: Buffer, start: number, end: number): void {
    this.text += bytes.toString('utf8', start, end)
  }

  #check(): void {
    if (this.text === '') return
    ok(this.text.endsWith('\n'))
    for (const line of this.text.slice(0, -1).split('\n')) {
      deepStrictEqual(line.split(' ').length, this.#fields)
    }
    this.text = ''
  }

  end(): void {
    this.#check()
  }
}

export const FLOW_LOG_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'flow-log',
    samples: [...FORMS, ...FORMS.map((form) => gzipSync(form)), Buffer.from('PAR1')],
    words: [
      ' ',
      '\n',
      '\r\n',
      '-',
      '"',
      ',',
      '{"message":"',
      '"events":[',
      HEADER,
      RECORD,
      '\ufeff',
    ],
    inputs: 60,
    usesFiles: true,
    async run(bytes, directory) {
      const path = join(directory, 'flow-log')
      writeFileSync(path, bytes)
      const form = await formOf(bytes.subarray(0, HEAD_LEN), path, undefined)
      if (form.is !== 'log') return
      const input = await CaptureInput.open(path)
      const output = new StrictOutput()
      const { compression, wrapping, format } = form
      try {
        await readFlowLog({ input, compression, wrapping, format, output })
      } finally {
        await input.close()
      }
      output.end()
    },
  },
  {
    name: 'stream',
    samples: [
      Buffer.from('{"version":2,"srcaddr":"10.0.0.1","bytes":40,"action":"ACCEPT"}'),
      Buffer.from('{"version":null}\n{"dstaddr":"-"}\n[1]'),
    ],
    words: ['"srcaddr":', '"a b"', '{}', 'true', '"\\n"', '"__proto__":{}', '\n', '""'],
    inputs: 200,
    run(bytes) {
      const text = new StreamLines('text', '${version} ${srcaddr} ${dstaddr}')
      const json = new StreamLines('json', '${version} ${srcaddr}')
      for (const line of bytes.toString().split('\n')) {
        const record = text.of(line)
        if (record !== '') match(record, /^\S+ \S+ \S+\n$/)
        const object = json.of(line)
        if (object !== '') deepStrictEqual(Object.keys(JSON.parse(object)), ['version', 'srcaddr'])
      }
    },
  },
]
