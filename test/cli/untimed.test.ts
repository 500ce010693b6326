import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SampleCapture } from '../pcap/sample-capture.js'
import { ethernet, udp4 } from '../support/frames.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

const A = '10.0.0.1'
const B = '10.0.0.2'
const THERE = ethernet(udp4({ src: A, dst: B, sport: 5000, dport: 53 }))
const BACK = ethernet(udp4({ src: B, dst: A, sport: 53, dport: 5000 }))

function captureOf(fill: (capture: SampleCapture) => void): string {
  const capture = new SampleCapture(true).section().interface(1, 0)
  fill(capture)
  const path = join(temporaryDirectory(), 'simple.pcapng')
  writeFileSync(path, capture.finish())
  return path
}

/** Simple packet blocks, which have no time. */
const untimed = () =>
  captureOf((capture) => capture.simple(THERE, THERE.length).simple(BACK, BACK.length))

/** One packet of three has a time. */
const mixed = () =>
  captureOf((capture) =>
    capture
      .simple(THERE, THERE.length)
      .enhanced(0, 1_700_000_000_000_000n, THERE, THERE.length)
      .simple(BACK, BACK.length),
  )

const NONE = { firstSeen: null, lastSeen: null, ageSeconds: null }

async function said(...args: string[]): Promise<Record<string, unknown>[]> {
  const { code, out, err } = await runCommand(...args)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const text = out.trim()
  if (text.startsWith('[')) return JSON.parse(text)
  return text.split('\n').map((line) => JSON.parse(line))
}

describe('packets without a time', () => {
  test.each([
    { name: 'flows', args: ['flows', '--json'], none: NONE },
    { name: 'pairs', args: ['flows', '--pairs', '--json'], none: { ...NONE, duration: null } },
    {
      name: 'flow log records',
      args: ['flow-log', '--format', 'json'],
      none: { start: null, end: null },
    },
    {
      name: 'tables of SQL',
      args: [
        ...['query', '--format', 'json'],
        'SELECT first_seen::TEXT a, last_seen::TEXT b, NULL c FROM flows UNION ALL ' +
          'SELECT first_seen::TEXT, last_seen::TEXT, duration::TEXT FROM pairs UNION ALL ' +
          'SELECT start::TEXT, "end"::TEXT, NULL FROM records',
      ],
      none: { a: null, b: null, c: null },
    },
  ])('give $name no time in place of 1970', async ({ args, none }) => {
    for (const row of await said(...args, untimed())) expect(row).toMatchObject(none)
  })

  test.each([
    ['zeek-json', ['ts', 'duration']],
    ['eve', ['timestamp', 'start', 'end', 'age']],
  ])('have none in logs in the form of %s', async (format, names) => {
    const { code, out } = await runCommand('flows', '--pairs', '--format', format, untimed())
    expect(code).toBe(0)
    for (const name of names) expect(out).not.toContain(`"${name}":`)
  })

  test('are a hyphen in tables and in lines', async () => {
    const vertical = await runCommand('flows', '--vertical', untimed())
    for (const name of ['first seen', 'last seen', 'seconds']) {
      expect(vertical.out).toMatch(new RegExp(`^${name} +-$`, 'm'))
    }
    expect((await runCommand('flow-log', untimed())).out).toContain(' 17 1 28 - - ACCEPT OK')
  })

  test('do not make times go backwards, and a connection has the times of those that have one', async () => {
    const [pair] = await said('flows', '--pairs', '--json', mixed())
    expect(pair).toMatchObject({
      origPackets: 2,
      respPackets: 1,
      firstSeen: '1700000000.000000000',
      lastSeen: '1700000000.000000000',
      duration: '0.000000000',
    })
  })
})
