import { expect, test } from 'vitest'
import { ethernet, tcp4, udp4 } from '../support/frames.js'
import { hex } from '../support/hex.js'
import { ApplicationRun, segments, syn } from './application-run.js'

const SERVER = { src: '192.0.2.53', dst: '10.0.0.1', sport: 53, dport: 40_000 }

function name(labels: string): Buffer {
  const parts = labels.split('.').map((label) => Buffer.from(label))
  return Buffer.concat([
    ...parts.flatMap((label) => [Buffer.of(label.length), label]),
    Buffer.of(0),
  ])
}

function query(asked: string): Buffer {
  return Buffer.concat([hex`beef 0100 0001 0000 0000 0000`, name(asked), hex`0001 0001`])
}

/** A message behind its length, as TCP carries it. */
function counted(message: Buffer): Buffer {
  return Buffer.concat([Buffer.of(message.length >>> 8, message.length & 0xff), message])
}

const NAMES = ['a.example.com', 'b.example.com', 'c.example.com']
const STREAM = Buffer.concat(NAMES.map((asked) => counted(query(asked))))

function asked(run: ApplicationRun): string[] {
  return run
    .end()
    .flatMap((told) => (told.kind === 'dns' ? told.message.questions : []))
    .map((question) => question.name)
}

test.each([1, 2, 7, 40, 1000])('messages over TCP in segments of %i bytes are all told', (size) => {
  const run = new ApplicationRun()
  run.read(syn(SERVER))
  for (const frame of segments(STREAM, size, SERVER)) run.read(frame)
  expect(asked(run)).toEqual(NAMES)
})

test('segments that come late or twice tell each message once', () => {
  const run = new ApplicationRun()
  const frames = segments(STREAM, 20, SERVER)
  run.read(syn(SERVER))
  for (const at of [1, 0, 0, 3, 4, 2, 5, 6, 1]) if (frames[at]) run.read(frames[at])
  expect(asked(run)).toEqual(NAMES)
})

test('without its SYN, or behind a gap, a stream is read from the next segment on', () => {
  const run = new ApplicationRun()
  const frames = segments(STREAM, STREAM.length / 3, SERVER)
  run.read(frames[1]!)
  expect(asked(run)).toEqual([NAMES[1]])
  const behindGap = new ApplicationRun()
  behindGap.read(syn(SERVER))
  for (const frame of segments(STREAM, 100, SERVER, 90_000)) behindGap.read(frame)
  expect(asked(behindGap)).toEqual(NAMES)
})

test('a message longer than is kept is read as far as that, and the next follows it', () => {
  const answer = Buffer.concat([
    hex`beef 8180 0001 0001 0000 0000`,
    name('long.example.com'),
    hex`0010 0001 c00c 0010 0001 00000001`,
    Buffer.of(0x4e, 0x20),
    Buffer.alloc(20_000, 0x61),
  ])
  const run = new ApplicationRun()
  run.read(syn(SERVER))
  const stream = Buffer.concat([counted(answer), counted(query('next.example.com'))])
  for (const frame of segments(stream, 1460, SERVER)) run.read(frame)
  expect(asked(run)).toEqual(['long.example.com', 'next.example.com'])
})

test('what is no DNS on its port tells nothing', () => {
  const run = new ApplicationRun()
  run.read(syn(SERVER))
  for (const frame of segments(Buffer.alloc(5000, 0x11), 1460, SERVER)) run.read(frame)
  expect(run.end()).toEqual([])
})

test('a plain query on another port of UDP is DNS, and a name that no host has is not', () => {
  const run = new ApplicationRun()
  const ends = { src: '10.0.0.1', dst: '192.0.2.1', sport: 40_000, dport: 8443 }
  run.read(ethernet(udp4({ ...ends, payload: query('2.secure.example') })))
  run.read(ethernet(udp4({ ...ends, payload: query('no host') })))
  run.read(ethernet(udp4({ ...ends, payload: query('cut.example').subarray(0, 25) })))
  expect(asked(run)).toEqual(['2.secure.example'])
})

test('NetBIOS names are told as hosts have them, and of a registration its address', () => {
  const label = Buffer.from('FHEPFCELFDFEEBFEEJEPEOCACACACAAA')
  const netbios = Buffer.concat([Buffer.of(32), label, Buffer.of(0)])
  const registration = Buffer.concat([
    hex`0001 2910 0001 0000 0000 0001`,
    netbios,
    hex`0020 0001 c00c 0020 0001 000493e0 0006 0000 0a000001`,
  ])
  const run = new ApplicationRun()
  const ends = { src: '10.0.0.1', dst: '10.0.0.255', sport: 137, dport: 137 }
  run.read(ethernet(udp4({ ...ends, payload: registration })))
  expect(run.end()).toMatchObject([
    {
      kind: 'dns',
      message: {
        opcode: 5,
        questions: [{ name: 'WORKSTATION', type: 32 }],
        additional: [{ name: 'WORKSTATION', text: '10.0.0.1', address: [0x0a00_0001] }],
      },
    },
  ])
})

test('SSDP is told as the HTTP that it is, in a datagram', () => {
  const run = new ApplicationRun()
  const search = 'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n'
  const ends = { src: '10.0.0.1', dst: '239.255.255.250', sport: 40_000, dport: 1900 }
  run.read(ethernet(udp4({ ...ends, payload: Buffer.from(search) })))
  expect(run.end()).toMatchObject([{ kind: 'http', head: { method: 'M-SEARCH', target: '*' } }])
})

test('what a SYN carries is the beginning of its stream', () => {
  const run = new ApplicationRun()
  const ends = { src: '10.0.0.1', dst: '192.0.2.1', sport: 40_000, dport: 8080 }
  const head = Buffer.from('GET /early HTTP/1.1\r\nHost: example.com\r\n\r\n')
  const first = head.subarray(0, 10)
  run.read(ethernet(tcp4({ ...ends, seq: 999, flags: 0x02, payload: first })))
  run.read(ethernet(tcp4({ ...ends, seq: 1010, flags: 0x18, payload: head.subarray(10) })))
  expect(run.end()).toMatchObject([{ kind: 'http', head: { target: '/early' } }])
})

test('a request whose first segments are shorter than its method is told in mid-stream', () => {
  const run = new ApplicationRun()
  for (const frame of segments(Buffer.from('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n'), 2)) {
    run.read(frame)
  }
  expect(run.end()).toMatchObject([{ kind: 'http', head: { host: 'a.example' } }])
})
