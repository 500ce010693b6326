import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CLIENT, clientHello, records, segments, syn } from '../application/application-run.js'
import { ethernet, udp4 } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

/** What a terminal obeys: colours, the title of the window, C1 controls, and text from right to left. */
const EVIL = Buffer.from('\x1b[31m\x1b]0;title\x07\u009b31m\u202e<b>\r')
const RESOLVER = { src: '10.0.0.53', dst: CLIENT.src, sport: 53, dport: 5000 }

/** An answer that the server's address has that name. */
function dnsAnswer(label: Buffer): Buffer {
  const head = Buffer.from('123481800001000100000000', 'hex')
  const question = Buffer.from('0000010001', 'hex')
  const answer = Buffer.from('c00c00010001000002580004c0000201', 'hex')
  const payload = Buffer.concat([head, Buffer.from([label.length]), label, question, answer])
  return ethernet(udp4({ ...RESOLVER, payload }))
}

/** A connection to port 80 that asks for a page. */
function request(): Buffer[] {
  const web = { ...CLIENT, sport: 50_000, dport: 80 }
  const lines = [
    Buffer.from('GET /'),
    EVIL.subarray(0, -1),
    Buffer.from(' HTTP/1.1\r\nHost: '),
    EVIL,
    Buffer.from('\nUser-Agent: '),
    EVIL,
    Buffer.from('\n\r\n'),
  ]
  return [syn(web), ...segments(Buffer.concat(lines), 1000, web)]
}

function u16(value: number): Buffer {
  return Buffer.of(value >>> 8, value & 0xff)
}

function hello(): Buffer {
  const name = Buffer.concat([Buffer.of(0), u16(EVIL.length), EVIL])
  const names = Buffer.concat([u16(name.length), name])
  return records(clientHello({ ciphers: [0x1301], extensions: [[0, names]] }))
}

function capture(): string {
  const frames = [dnsAnswer(EVIL), syn(), ...segments(hello(), 1000), ...request()]
  const path = join(temporaryDirectory(), 'names.pcap')
  writeFileSync(path, pcapFile(frames.map((frame) => ({ frame }))))
  return path
}

/** But for ends of lines and tabs. */
const OBEYED = /[^\P{Cc}\n\t]|\u202e/u

describe('names that packets carry', () => {
  test.each([
    { args: ['flows'] },
    { args: ['flows', '--vertical'] },
    { args: ['flows', '--pairs'] },
    { args: ['flows', '--format', 'zeek'] },
    { args: ['flows', '--format', 'zeek-json'] },
    { args: ['flows', '--format', 'eve'] },
    { args: ['analyze'] },
    { args: ['query', '--vertical', 'SELECT ts, host, uri, user_agent FROM http'] },
  ])('reach no output of $args as they came', async ({ args }) => {
    const { code, out, err } = await runCommand(...args, capture())
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).not.toMatch(OBEYED)
    // It is there, escaped; of Zeek's logs only conn.log is, which has no names.
    if (args[2]?.startsWith('zeek') !== true) expect(out).toMatch(/[0\\]x?1b/)
  })
})

test('a place with control characters is in no statement', async () => {
  const { code, out, err } = await runCommand('flow-log', '--print-ddl', 'duckdb', '/tmp/\x1b[31m')
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).not.toMatch(OBEYED)
})
