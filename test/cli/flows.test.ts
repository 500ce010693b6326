import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { BAD_CAPTURES } from './bad-captures.js'
import { runMain } from './run-main.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

describe('flows', () => {
  test.each(BAD_CAPTURES)('names $what in one line and prints nothing', async ({ make, says }) => {
    for (const options of [[], ['--json']]) {
      const { code, out, err } = await runMain('flows', ...options, make(temporaryDirectory()))
      expect({ code, out }).toEqual({ code: 1, out: '' })
      expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
      expect(err.trimEnd()).toMatch(says)
    }
  })

  test('names each of several that cannot be read', async () => {
    const files = BAD_CAPTURES.map(({ make }) => make(temporaryDirectory()))
    const { code, err } = await runMain('flows', ...files)
    expect(code).toBe(1)
    const lines = err.trimEnd().split('\n')
    expect(lines).toHaveLength(BAD_CAPTURES.length)
    for (const [index, { says }] of BAD_CAPTURES.entries()) expect(lines[index]).toMatch(says)
  })

  test.each([
    { args: ['--vni', '16777216'], says: 'Give a whole number from 0 to 16777215.' },
    { args: ['--vni', 'seven'], says: 'Give a whole number from 0 to 16777215.' },
    { args: ['--vxlan-port', '65536'], says: 'Give a whole number from 1 to 65535.' },
    { args: ['--geneve-port', '0'], says: 'Give a whole number from 1 to 65535.' },
    { args: ['--max-flows', '0'], says: 'Give a whole number from 1 to 16777216.' },
    { args: ['--decap', 'some'], says: 'Allowed choices are auto, none.' },
  ])('refuses $args in one line', async ({ args, says }) => {
    const { code, out, err } = await runMain('flows', SAMPLE, ...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+ \(see mirrortap flows --help\)\n$/)
    expect(err).toContain(says)
  })
})
