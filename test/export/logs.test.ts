import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ZeekLog, zeekJson, zeekLine } from '../../src/export/zeek-log.js'
import { ethernet, tcp4, tcp6, udp6 } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

const PLAIN = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

type Row = Record<string, string>

/** The rows of a log of Zeek by the names of their fields. */
function rowsOf(text: string): Row[] {
  const lines = text.trimEnd().split('\n')
  const fields = lines
    .find((line) => line.startsWith('#fields'))!
    .split('\t')
    .slice(1)
  const types = lines
    .find((line) => line.startsWith('#types'))!
    .split('\t')
    .slice(1)
  expect(types).toHaveLength(fields.length)
  return lines
    .filter((line) => !line.startsWith('#'))
    .map((line) => {
      const cells = line.split('\t')
      expect(cells).toHaveLength(fields.length)
      return Object.fromEntries(fields.map((name, at) => [name, cells[at]!]))
    })
}

describe("Zeek's logs", () => {
  test('are tied together by uid, in tabs and in JSON alike', async () => {
    const [tabs, json] = [temporaryDirectory(), temporaryDirectory()]
    for (const [format, directory] of [
      ['zeek', tabs],
      ['zeek-json', json],
    ] as const) {
      const done = await runCommand('flows', '--format', format, '-o', directory, PLAIN)
      expect(done).toEqual({ code: 0, out: '', err: '' })
      // No TLS is in the sample.
      expect(readdirSync(directory).sort()).toEqual(['conn.log', 'dns.log', 'http.log'])
    }
    const read = (name: string) => rowsOf(readFileSync(join(tabs, name), 'utf8'))
    const connections = read('conn.log')
    const uids = connections.map(({ uid }) => uid)
    expect(new Set(uids).size).toBe(connections.length)
    for (const name of ['dns.log', 'http.log']) {
      for (const { uid, community_id: id } of read(name)) {
        const connection = connections.find((row) => row['uid'] === uid)
        expect(connection?.['community_id']).toBe(id)
      }
    }
    expect(read('dns.log')[0]).toMatchObject({
      'id.resp_p': '53',
      query: 'www.example.com',
      qtype_name: 'A',
      rcode_name: 'NOERROR',
      answers: '198.51.100.80',
      TTLs: '300.000000',
      RD: 'T',
    })
    const objects = readFileSync(join(json, 'dns.log'), 'utf8').trimEnd().split('\n')
    expect(JSON.parse(objects[0]!)).toMatchObject({ TTLs: [300], RD: true, 'id.resp_p': 53 })
  })

  test('escape what separates and what a terminal obeys', () => {
    const log: ZeekLog<string> = {
      path: 'x',
      fields: [
        { name: 'a', type: 'string', value: (row) => row },
        { name: 'b', type: 'vector[string]', value: (row) => [row, '-'] },
        { name: 'c', type: 'vector[string]', value: () => [] },
        { name: 'd', type: 'string', value: () => undefined },
      ],
    }
    expect(zeekLine(log, 'a\tb,\u001b\\')).toBe(
      'a\\x09b,\\x1b\\\\\ta\\x09b\\x2c\\x1b\\\\,\\x2d\t(empty)\t-',
    )
    expect(JSON.parse(zeekJson(log, 'a'))).toEqual({ a: 'a', b: ['a', '-'], c: [] })
  })

  const C = { src: '10.0.0.1', dst: '192.0.2.1', sport: 40_000, dport: 80 }
  const S = { src: C.dst, dst: C.src, sport: 80, dport: 40_000 }
  const data = (length: number) => Buffer.alloc(length, 0x61)
  const SYN = { ...C, seq: 100, flags: 0x02 }
  const ANSWER = { ...S, seq: 500, ack: 101, flags: 0x12 }
  const ACK = { ...C, seq: 101, ack: 501, flags: 0x10 }
  const ASKED = { ...ACK, flags: 0x18, payload: data(10) }
  const REPLY = { ...S, seq: 501, ack: 111, flags: 0x18, payload: data(30) }
  const FIN_C = { ...C, seq: 111, ack: 531, flags: 0x11 }
  const FIN_S = { ...S, seq: 531, ack: 112, flags: 0x11 }

  /** As Zeek's documentation of conn.log defines them. */
  test.each([
    ['SF', 'ShADdFf', '10', '30', [SYN, ANSWER, ACK, ASKED, REPLY, FIN_C, FIN_S]],
    ['SF', '^hADdFf', '10', '30', [ANSWER, ACK, ASKED, REPLY, FIN_C, FIN_S]],
    ['S0', 'S', '0', '0', [SYN, SYN]],
    ['S1', 'ShADT', '10', '0', [SYN, ANSWER, ACK, ASKED, ASKED]],
    ['REJ', 'Sr', '0', '0', [SYN, { ...S, seq: 0, ack: 101, flags: 0x14 }]],
    ['RSTO', 'ShAR', '0', '0', [SYN, ANSWER, ACK, { ...ACK, flags: 0x04 }]],
    ['RSTR', 'ShAr', '0', '0', [SYN, ANSWER, ACK, { ...S, seq: 501, flags: 0x04 }]],
    ['S2', 'ShADdF', '10', '30', [SYN, ANSWER, ACK, ASKED, REPLY, FIN_C]],
    ['S3', 'ShADdf', '10', '30', [SYN, ANSWER, ACK, ASKED, REPLY, { ...FIN_S, ack: 111 }]],
    ['SH', 'SF', '0', '0', [SYN, { ...FIN_C, seq: 101, ack: 0 }]],
    ['OTH', 'Dd', '10', '30', [ASKED, REPLY]],
  ])('say %s and %s of a connection that went so', async (state, history, orig, resp, packets) => {
    const path = join(temporaryDirectory(), 'x.pcap')
    writeFileSync(path, pcapFile(packets.map((packet) => ({ frame: ethernet(tcp4(packet)) }))))
    const { out } = await runCommand('flows', '--format', 'zeek', path)
    expect(rowsOf(out)).toMatchObject([
      {
        'id.orig_h': '10.0.0.1',
        conn_state: state,
        history,
        orig_bytes: orig,
        resp_bytes: resp,
      },
    ])
  })
})

test('SSH and SMTP are rows of what both sides say first', async () => {
  const client = { src: '10.0.0.1', dst: '192.0.2.1', sport: 40_000 }
  const server = { src: '192.0.2.1', dst: '10.0.0.1', dport: 40_000 }
  const say = (from: object, text: string) => ({
    frame: ethernet(
      tcp4({ ...(from as typeof client), dport: 0, ...from, payload: Buffer.from(text) }),
    ),
  })
  const path = join(temporaryDirectory(), 'x.pcap')
  writeFileSync(
    path,
    pcapFile([
      say({ ...server, sport: 22 }, 'SSH-1.99-dropbear_2022.83\r\n'),
      say({ ...client, dport: 22 }, 'SSH-2.0-OpenSSH_9.6 Debian-1\r\n'),
      say({ ...server, sport: 587 }, '220 mx.example.com ESMTP ready\r\n'),
      say({ ...client, dport: 587 }, 'EHLO mail.example.org\r\n'),
    ]),
  )
  const logs = temporaryDirectory()
  await runCommand('flows', '--format', 'zeek', '-o', logs, path)
  const read = (name: string) => rowsOf(readFileSync(join(logs, name), 'utf8'))
  const from = { 'id.orig_h': '10.0.0.1', 'id.orig_p': '40000', 'id.resp_h': '192.0.2.1' }
  const greetings = { client: 'SSH-2.0-OpenSSH_9.6 Debian-1', server: 'SSH-1.99-dropbear_2022.83' }
  expect(read('ssh.log')).toMatchObject([{ ...from, version: '2', ...greetings }])
  expect(read('smtp.log')).toMatchObject([
    { ...from, helo: 'mail.example.org', banner: '220 mx.example.com ESMTP ready' },
  ])
  const eve = await runCommand('flows', '--format', 'eve', path)
  const events = eve.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(events.filter(({ event_type: type }) => type !== 'netflow')).toMatchObject([
    {
      event_type: 'ssh',
      src_ip: '10.0.0.1',
      ssh: {
        client: { proto_version: '2.0', software_version: 'OpenSSH_9.6' },
        server: { proto_version: '1.99', software_version: 'dropbear_2022.83' },
      },
    },
    { event_type: 'smtp', dest_port: 587, smtp: { helo: 'mail.example.org' } },
  ])
  const flows = await runCommand('flows', '--json', path)
  const named = JSON.parse(flows.out).filter((row: Row) => row['dstName'] !== null)
  expect(named).toMatchObject([{ dstName: 'mx.example.com', dstPort: 22 }, { dstPort: 587 }])
})

describe("Suricata's EVE", () => {
  test('writes addresses, hosts, texts and versions as Suricata does', async () => {
    const [src, dst] = ['2001:db8::1', '2001:db8::2']
    const string = (text: string) => Buffer.from([text.length, ...Buffer.from(text)])
    const record = (type: number, data: Buffer) =>
      Buffer.concat([Buffer.from([0, 0, type, 0, 1, 0, 0, 0, 9, 0, data.length]), data])
    const answer = Buffer.concat([
      Buffer.from('0001818000010002000000000000100001', 'hex'),
      record(16, Buffer.concat([string('v=spf1 -all'), string('')])),
      record(28, Buffer.from('20010db8000000000000000000000053', 'hex')),
    ])
    const hello = Buffer.from(
      `160303003202 00002e 0303${'00'.repeat(32)} 00 1301 00 0006 002b0002 7f1c`.replaceAll(
        ' ',
        '',
      ),
      'hex',
    )
    const path = join(temporaryDirectory(), 'x.pcap')
    const request = Buffer.from('GET / HTTP/1.1\r\nHost: [2001:db8::2]:8080\r\n\r\n')
    writeFileSync(
      path,
      pcapFile(
        [
          udp6({ src, dst, sport: 53, dport: 40_000, payload: answer }),
          tcp6({ src, dst, sport: 40_000, dport: 8080, payload: request }),
          tcp6({ src, dst, sport: 443, dport: 40_001, payload: hello }),
        ].map((packet) => ({ frame: ethernet(packet) })),
      ),
    )
    const { out } = await runCommand('flows', '--format', 'eve', '--pairs', path)
    const found = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    const of = (type: string) => found.find((event) => event['event_type'] === type)
    expect(of('dns')).toMatchObject({
      dest_ip: '2001:0db8:0000:0000:0000:0000:0000:0001',
      dns: {
        answers: [
          { rrtype: 'TXT', rdata: 'v=spf1 -all' },
          { rrtype: 'TXT', rdata: '' },
          { rrtype: 'AAAA', rdata: '2001:0db8:0000:0000:0000:0000:0000:0053' },
        ],
      },
    })
    expect(of('http')).toMatchObject({ http: { hostname: '[2001:db8::2]', http_port: 8080 } })
    expect(of('tls')).toMatchObject({ tls: { version: 'TLS 1.3 draft-28' } })
  })

  const events = async (...args: string[]): Promise<Record<string, unknown>[]> => {
    const { code, out } = await runCommand('flows', '--format', 'eve', ...args, PLAIN)
    expect(code).toBe(0)
    return out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }
  const kinds = (of: Record<string, unknown>[]) => [
    ...new Set(of.map((event) => event['event_type'])),
  ]

  test('has a netflow for each direction, or a flow for both, and what packets say', async () => {
    const directions = await events()
    expect(kinds(directions).sort()).toEqual(['dns', 'http', 'netflow'])
    const both = await events('--pairs')
    expect(kinds(both).sort()).toEqual(['dns', 'flow', 'http'])
    expect(kinds(await events('--no-names'))).toEqual(['netflow'])
    const answer = both.find((event) => (event['dns'] as Row | undefined)?.['type'] === 'answer')!
    const flow = both.find((event) => event['event_type'] === 'flow')!
    expect(answer['flow_id']).toBe(flow['flow_id'])
    expect(answer).toMatchObject({
      timestamp: '2026-03-01T12:00:30.001209+0000',
      src_ip: '10.0.1.20',
      dest_port: 53,
      proto: 'UDP',
      dns: { rrname: 'www.example.com', rcode: 'NOERROR', answers: [{ rdata: '198.51.100.80' }] },
    })
    expect(flow).toMatchObject({
      flow: { pkts_toserver: 1, bytes_toserver: 61, pkts_toclient: 1, bytes_toclient: 77, age: 0 },
    })
  })
})

test('-o without --format is wrong usage', async () => {
  expect(await runCommand('flows', '-o', 'x', PLAIN)).toEqual({
    code: 2,
    out: '',
    err: expect.stringContaining('give --format too'),
  })
})
