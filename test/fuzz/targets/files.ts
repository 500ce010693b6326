import { deepStrictEqual, ok } from 'node:assert'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32, gzipSync } from 'node:zlib'
import { readStateFiles } from '../../../src/control/state-reader.js'
import { DeliveryQueue } from '../../../src/deliver/delivery-queue.js'
import { Undeliverable } from '../../../src/deliver/destination.js'
import { parseKeptDelivery } from '../../../src/deliver/kept-delivery.js'
import { queuedRecords } from '../../../src/deliver/queued-records.js'
import { deliveryNameOf } from '../../../src/flowlog/delivery-queue-format.js'
import { convertSpool } from '../../../src/flowlog/spool-conversion.js'
import { CaptureParser } from '../../../src/pcap/capture-parser.js'
import { readCapture } from '../../../src/pcap/reader.js'
import { adoptParts } from '../../../src/recover/adoption.js'
import { PART_KINDS } from '../../../src/recover/part-kinds.js'
import { convertSpools } from '../../../src/recover/spool-adoption.js'
import { buildIndex } from '../../../src/search/index-file.js'
import { filterOf, headLengthOf, parseIndex } from '../../../src/search/index-format.js'
import { lockHolder } from '../../../src/sink/directory-lock.js'
import { Ec2House, ruleFor } from '../../api/ec2/ec2-house.js'
import { SampleCapture } from '../../pcap/sample-capture.js'
import { ethernet, udp4 } from '../../support/frames.js'
import { pcapFile } from '../../support/pcap-file.js'
import type { FuzzTarget } from '../target.js'

const FRAME = ethernet(
  udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2, payload: Buffer.alloc(40) }),
)
const PCAP = pcapFile([{ frame: FRAME }, { frame: FRAME, originalLength: 9000 }, { frame: FRAME }])

function pcapng(little: boolean): Buffer {
  return new SampleCapture(little)
    .section()
    .interface(1, 0)
    .interface(101, 65_535)
    .enhanced(0, 5n, FRAME, FRAME.length)
    .enhanced(1, 6n, FRAME.subarray(14), FRAME.length)
    .section()
    .interface(1, 0)
    .enhanced(0, 2n ** 63n, FRAME, FRAME.length)
    .finish()
}

const CAPTURES = [PCAP, pcapng(true), pcapng(false)]

const RECORDS =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n' +
  '2 111122223333 eni-1 10.0.0.1 10.0.0.2 1 2 17 1 40 1700000000 1700000060 ACCEPT OK\n' +
  '2 111122223333 eni-1 - - - - - - - 1700000060 1700000120 - NODATA\n'
const QUEUE =
  'source start record\neni-1 1700000000 2 1 eni-1 10.0.0.1 ACCEPT OK\n- 1700000060 2 - NODATA\n'

/** What a parser makes of a capture that is given to it in pieces of this size. */
function parsed(bytes: Buffer, size: number): object {
  const packets: string[] = []
  const parser = new CaptureParser((packet) => {
    const { start, end, seconds, nanoseconds, originalLength, linkType, timed } = packet
    const facts = [end - start, seconds, nanoseconds, originalLength, linkType, timed]
    packets.push(`${facts.join(' ')} ${crc32(packet.bytes.subarray(start, end))}`)
  })
  for (let at = 0; at < bytes.length; at += size) parser.push(bytes.subarray(at, at + size))
  parser.end()
  const { octets, refusal, damage, format, outOfRangeTimes, farTimes } = parser
  return { packets, octets, refusal, damage, format, outOfRangeTimes, farTimes }
}

/** With checksums and lengths that are right, so that they are not what it fails by. */
function mendedHead(bytes: Buffer): Buffer {
  const length = headLengthOf(bytes)
  if (length === undefined || length > bytes.length || length < 68) return bytes
  const head = Buffer.from(bytes.subarray(0, length))
  head.writeUInt32LE(crc32(head.subarray(0, length - 4)), length - 4)
  return Buffer.concat([head, bytes.subarray(length)])
}

async function indexSample(directory: string): Promise<Buffer> {
  const path = join(directory, 'sample.pcap')
  writeFileSync(path, PCAP)
  await buildIndex(path)
  return readFileSync(`${path}.idx`)
}

/** Lies between the state and the lines of its journal, which have their checksums when they are tried. */
const JOURNAL = '\0'

/** What an appliance keeps that has one resource of each kind. */
async function stateSample(directory: string): Promise<Buffer> {
  const stateFile = join(directory, 'state.json')
  const house = await Ec2House.open({ stateFile })
  const filter = await house.must('CreateTrafficMirrorFilter', { ClientToken: 'a' })
  const { trafficMirrorFilterId } = filter.trafficMirrorFilter
  await house.must('CreateTrafficMirrorFilterRule', ruleFor(trafficMirrorFilterId, 1))
  const target = await house.must('CreateTrafficMirrorTarget', {
    NetworkInterfaceId: 'eni-00000000000000002',
  })
  await house.must('CreateTrafficMirrorSession', {
    NetworkInterfaceId: ENI,
    TrafficMirrorTargetId: target.trafficMirrorTarget.trafficMirrorTargetId,
    TrafficMirrorFilterId: trafficMirrorFilterId,
    SessionNumber: '1',
  })
  const journal = readFileSync(`${stateFile}.journal`, 'utf8').replace(/^\S{16} /gm, '')
  return Buffer.from(readFileSync(stateFile, 'utf8') + JOURNAL + journal)
}

const KEPT = 'fl-00000000000000001'
const ENI = 'eni-00000000000000001'

function checked(line: string): string {
  return `${createHash('sha256').update(line).digest('hex').slice(0, 16)} ${line}`
}

export const FILE_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'capture',
    samples: CAPTURES,
    inputs: 300,
    run(bytes) {
      const whole = parsed(bytes, Math.max(1, bytes.length))
      deepStrictEqual(parsed(bytes, 7), whole)
    },
  },
  {
    name: 'capture-file',
    samples: [...CAPTURES, ...CAPTURES.map((one) => gzipSync(one))],
    inputs: 40,
    usesFiles: true,
    async run(bytes, directory) {
      const path = join(directory, 'capture')
      writeFileSync(path, bytes)
      let packets = 0
      const summary = await readCapture(path, () => void packets++)
      deepStrictEqual(summary.packets, packets)
    },
  },
  {
    name: 'index',
    samples: async (directory) => [await indexSample(directory)],
    inputs: 200,
    run(bytes) {
      const mended = mendedHead(bytes)
      const length = headLengthOf(mended)
      if (length === undefined || length > mended.length) return
      const index = parseIndex(mended.subarray(0, length), mended.length)
      if (index === undefined) return
      const filters = mended.subarray(length)
      for (const block of index.blocks) {
        ok(block.start < block.end)
        ok(block.filterAt + block.filterLength <= filters.length)
        filterOf(filters, block)
      }
    },
  },
  {
    name: 'part',
    // The first byte says what kind of file it is.
    samples: Object.entries(PART_KINDS).map(([extension, { isGzip, unit }], index) => {
      const bytes =
        unit === 'record' ? Buffer.from(RECORDS) : extension.includes('ng') ? pcapng(true) : PCAP
      return Buffer.concat([Buffer.of(index), isGzip ? gzipSync(bytes) : bytes])
    }),
    inputs: 15,
    usesFiles: true,
    async run(bytes, directory) {
      const kinds = Object.keys(PART_KINDS)
      const name = `a${kinds[(bytes[0] ?? 0) % kinds.length]}`
      writeFileSync(join(directory, `${name}.part`), bytes.subarray(1))
      const { lines } = await adoptParts(directory)
      deepStrictEqual(lines.length, 1)
      // Under its final name, and still as a part, it never is.
      deepStrictEqual(readdirSync(directory).length <= 1, true)
      if (!existsSync(join(directory, name)) || !/\.pcap(ng)?$/.test(name)) return
      const { damage } = await readCapture(join(directory, name), () => undefined)
      deepStrictEqual(damage, undefined)
    },
  },
  {
    name: 'spool',
    samples: [gzipSync(RECORDS)],
    inputs: 20,
    usesFiles: true,
    async run(bytes, directory) {
      writeFileSync(join(directory, '.a.log.gz'), bytes)
      const lines = await convertSpools(directory, convertSpool)
      const left = readdirSync(directory)
      deepStrictEqual(left, [lines[0]!.startsWith('adopted ') ? 'a.log.parquet' : '.a.log.gz'])
    },
  },
  {
    name: 'queue-file',
    samples: [gzipSync(QUEUE), gzipSync(RECORDS)],
    inputs: 40,
    isRefusal: (error) => error instanceof Undeliverable,
    usesFiles: true,
    async run(bytes, directory) {
      const path = join(directory, 'a.queue.gz')
      writeFileSync(path, bytes)
      for await (const chunk of queuedRecords(path, { records: 3, bytes: 100 }, 1)) {
        ok(chunk.length > 0 && chunk.length <= 3)
        for (const record of chunk) ok(!record.line.includes('\n'))
      }
    },
  },
  {
    name: 'delivery-journal',
    samples: [
      Buffer.from(
        '# files finished before this are not delivered: 2026-03-01T12:00:00.000Z\na.gz\n',
      ),
    ],
    inputs: 40,
    usesFiles: true,
    async run(bytes, directory) {
      const queue = join(directory, 'queue')
      const journal = join(directory, 'journal')
      writeFileSync(journal, bytes)
      await DeliveryQueue.open({ directory: queue, journal }, 0)
      await DeliveryQueue.open({ directory: queue, journal }, 0)
    },
  },
  {
    name: 'kept-delivery',
    samples: [
      { kind: 's3', bucket: 'b', prefix: 'p' },
      { kind: 'cloudwatch-logs', group: 'g' },
      { kind: 'firehose', stream: 's' },
    ].map((place) =>
      Buffer.from(
        JSON.stringify({ name: 'n', what: KEPT, place, region: 'r', queue: { directory: '/etc' } }),
      ),
    ),
    words: ['"kind":"nats"', '"__proto__":{}', 'null', '[]', '"../x"'],
    inputs: 200,
    isRefusal: (error) => !(error instanceof TypeError) && !(error instanceof RangeError),
    run(bytes) {
      const kept = parseKeptDelivery(bytes.toString(), deliveryNameOf(KEPT))
      deepStrictEqual(Object.keys(kept).sort(), ['place', 'region', 'what'])
    },
  },
  {
    name: 'lock',
    samples: [Buffer.from(JSON.stringify({ pid: process.pid, started: '1', boot: 'b' }))],
    words: ['"pid":', '1e99', '-1', '0', 'null', '"started":""', '"boot":""'],
    inputs: 60,
    usesFiles: true,
    run(bytes, directory) {
      writeFileSync(join(directory, '.mirrortap.lock'), bytes)
      lockHolder(directory)
    },
  },
  {
    name: 'state',
    samples: async (directory) => [await stateSample(directory)],
    words: ['"id":"tms-1"', '"sessions":[', '{}', 'null', '"version":2', '"__proto__":{}', JOURNAL],
    inputs: 40,
    usesFiles: true,
    async run(bytes, directory) {
      const [state = '', journal = ''] = bytes.toString().split(JOURNAL)
      const path = join(directory, 'state.json')
      writeFileSync(path, state)
      writeFileSync(`${path}.journal`, journal.split('\n').map(checked).join('\n'))
      await readStateFiles(path)
    },
  },
]
