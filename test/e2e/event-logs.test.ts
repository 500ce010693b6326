import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { readCapture } from '../../src/pcap/reader.js'
import { vxlan } from '../support/frames.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { Appliance, filesBelow, IS_BUILT, mirrortap, NEEDS_BUILD } from './program.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')
const HOST = '127.0.0.1'

/** Rows by log, sorted, without headers and `uid`: that is of a session's number, which another run counts otherwise. */
function rowsBelow(directory: string): Record<string, string[]> {
  const rows: Record<string, string[]> = {}
  for (const name of filesBelow(directory)) {
    const bytes = readFileSync(join(directory, name))
    const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
    const log = basename(name).split('.')[0]!
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    const withoutUid = lines.map((line) => line.replace(/^([^\t]+\t)[^\t]+\t/, '$1'))
    rows[log] = [...(rows[log] ?? []), ...withoutUid].sort()
  }
  return rows
}

test.skipIf(!IS_BUILT)(
  `event logs of an appliance have the rows that flows has of its captures${NEEDS_BUILD}`,
  async () => {
    const directory = temporaryDirectory()
    const [events, captures, again] = ['events', 'captures', 'again'].map((name) =>
      join(directory, name),
    ) as [string, string, string]
    const appliance = new Appliance([
      ...['--event-log-dir', events, '--event-log-format', 'zeek', '--capture-dir', captures],
      ...['--workers', '1'],
    ])
    const port = await appliance.port()
    const frames: Buffer[] = []
    await readCapture(SAMPLE, ({ bytes, start, end }) => {
      frames.push(Buffer.from(bytes.subarray(start, end)))
    })
    const sender = await UdpSender.open(HOST)
    for (const frame of frames) await sender.send(vxlan(7, frame), port, HOST)
    await sender.close()
    expect(await appliance.stop()).toBe(0)

    const [session] = readdirSync(captures)
    const files = filesBelow(join(captures, session!)).map((name) => join(captures, session!, name))
    const offline = await runCommand('flows', '--format', 'zeek', '-o', again, ...files)
    expect(offline).toMatchObject({ code: 0, err: '' })
    const rows = rowsBelow(events)
    expect(Object.keys(rows).sort()).toEqual(['conn', 'dns', 'http'])
    expect(rows).toEqual(rowsBelow(again))
  },
)

test.skipIf(!IS_BUILT)(
  `an event log directory that cannot be made is refused in one line${NEEDS_BUILD}`,
  async () => {
    const below = join(SAMPLE, 'events')
    const program = mirrortap(['listen', '--port', '0', '--event-log-dir', below])
    expect(await program.ended()).toBe(1)
    expect(program.stderr).toMatch(/^mirrortap: [^\n]*events[^\n]*\n$/)
  },
)
