import { copyFileSync, existsSync, linkSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { BAD_CAPTURES } from './bad-captures.js'
import { runMain } from './run-main.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

/** Command lines that make `output` of `input`. */
const MAKERS: readonly { command: string; line: (input: string, output: string) => string[] }[] = [
  { command: 'flow-log', line: (input, output) => [input, '-o', output] },
  { command: 'analyze', line: (input, output) => [input, '--report', output] },
  { command: 'query', line: (input, output) => ['SELECT 1', input, '-o', output] },
  {
    command: 'capture',
    line: (input, output) => ['--read', input, '-w', '/dev/null', '--stats', output],
  },
]

describe('checkNames', () => {
  test.each(MAKERS)('keeps $command from replacing what it reads', async ({ command, line }) => {
    const directory = temporaryDirectory()
    const input = join(directory, 'x.pcap')
    copyFileSync(SAMPLE, input)
    linkSync(input, join(directory, 'hard.pcap'))
    symlinkSync(input, join(directory, 'soft.pcap'))
    for (const name of ['x.pcap', 'hard.pcap', 'soft.pcap']) {
      const { code, out, err } = await runMain(command, ...line(input, join(directory, name)))
      expect({ code, out }).toEqual({ code: 2, out: '' })
      expect(err).toMatch(/^mirrortap: [^\n]* is an input [^\n]+: name another file to write\n$/)
    }
    expect(readFileSync(input)).toEqual(readFileSync(SAMPLE))
    expect(readdirSync(directory).sort()).toEqual(['hard.pcap', 'soft.pcap', 'x.pcap'])
  })

  test.each([
    ['flows', '-', SAMPLE, '-'],
    ['flow-log', '-', '-'],
    ['analyze', '-', '-'],
    ['query', 'SELECT 1', '-', '-'],
    ['capture', '-w', '/dev/null', '--read', '-', '-'],
  ])('refuses standard input twice for %s', async (...line) => {
    expect(await runMain(...line)).toEqual({
      code: 2,
      out: '',
      err: 'mirrortap: standard input can be read only once: give - once\n',
    })
  })
})

describe.each(['flows', 'flow-log', 'analyze'])('%s', (command) => {
  test('says of a link to itself that it cannot be read', async () => {
    const loop = join(temporaryDirectory(), 'loop.pcap')
    symlinkSync(loop, loop)
    const { code, err } = await runMain(command, loop)
    expect(code).toBe(1)
    expect(err).toMatch(/^mirrortap: [^\n]*loop\.pcap cannot be read: ELOOP[^\n]+\n$/)
  })
})

describe('--stats -', () => {
  test('is standard output', async () => {
    const { code, out } = await runMain(
      ...['capture', '--read', SAMPLE, '-w', '/dev/null', '--stats', '-'],
    )
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ received: 118 })
    expect(existsSync('-')).toBe(false)
  })
})

describe('a directory to write to', () => {
  test.each([
    { command: 'flow-log', line: (input: string, output: string) => [input, '-o', `${output}/`] },
    {
      command: 'capture',
      line: (input: string, output: string) => ['--read', input, '--split', '-w', output],
    },
  ])('is not left by $command when nothing can be read', async ({ command, line }) => {
    for (const { make } of BAD_CAPTURES) {
      const directory = temporaryDirectory()
      const made = join(directory, 'a/b')
      expect((await runMain(command, ...line(make(directory), made))).code).toBe(1)
      expect(existsSync(join(directory, 'a'))).toBe(false)
    }
  })
})
