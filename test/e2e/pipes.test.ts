import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ethernet, udp4 } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { BIN, IS_BUILT, mirrortap, NEEDS_BUILD, Program, UNHURRIED, until } from './program.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')
const COMMANDS = ['flows', 'flows --json', 'flow-log', 'flow-log --format json']

/** More flows than fit a pipe, each of one packet. */
function manyFlows(): Buffer {
  const flow = { src: '10.0.0.1', dst: '10.0.0.2', dport: 53, payload: Buffer.alloc(8) }
  const shots = Array.from({ length: 20_000 }, (_, number) => ({
    frame: ethernet(udp4({ ...flow, sport: 1024 + number })),
    seconds: 1_600_000_000,
  }))
  return pcapFile(shots)
}

async function output(args: readonly string[], input?: Buffer): Promise<string> {
  const program = mirrortap(args, input)
  expect(await program.ended()).toBe(0)
  expect(program.stderr).toBe('')
  return program.stdout.toString()
}

describe.skipIf(!IS_BUILT)(`mirrortap in a pipeline${NEEDS_BUILD}`, UNHURRIED, () => {
  test.each(COMMANDS)('%s reads a pipe, compressed or not, as it reads a file', async (words) => {
    const command = words.split(' ')
    const sample = readFileSync(SAMPLE)
    const ofFile = await output([...command, SAMPLE])
    expect(ofFile.split('\n').length).toBeGreaterThan(24)
    expect(await output([...command, '-'], sample)).toBe(ofFile)
    expect(await output([...command, '-'], gzipSync(sample))).toBe(ofFile)
    const compressed = join(temporaryDirectory(), 'sample.pcap.gz')
    writeFileSync(compressed, gzipSync(sample))
    expect(await output([...command, compressed])).toBe(ofFile)
  })

  test('flow-log gives out records as their windows close, not only at the end', async () => {
    const dir = temporaryDirectory()
    const flow = { src: '10.0.0.1', dst: '10.0.0.2', dport: 53, payload: Buffer.alloc(8) }
    const shot = (sport: number, seconds: number) => ({
      frame: ethernet(udp4({ ...flow, sport })),
      seconds: 1_600_000_020 + seconds,
    })
    const capture = pcapFile([shot(1, 0), shot(2, 61), shot(3, 62), shot(4, 63)])
    writeFileSync(join(dir, 'begin'), capture.subarray(0, -(16 + 14 + 36)))
    writeFileSync(join(dir, 'end'), capture.subarray(-(16 + 14 + 36)))
    const feed = 'cat "$2/begin"; until [ -e "$2/go" ]; do sleep 0.02; done; cat "$2/end"'
    const script = `{ ${feed}; } | "$0" "$1" flow-log --max-aggregation-interval 60 -`
    const program = new Program(['bash', '-c', script, process.execPath, BIN, dir])
    const lines = () => program.stdout.toString().split('\n').slice(0, -1)
    await until(() => lines().length === 2)
    expect(lines()[1]).toContain(' 10.0.0.1 10.0.0.2 1 53 17 1 36 ')
    writeFileSync(join(dir, 'go'), '')
    expect(await program.ended()).toBe(0)
    expect(lines()).toHaveLength(1 + 4)
  })

  test.skipIf(!hasTool('zstd'))(
    'reads what zstd compressed, from a file and a pipe (needs zstd)',
    async () => {
      const path = join(temporaryDirectory(), 'sample.pcap.zst')
      execFileSync('zstd', ['-q', SAMPLE, '-o', path])
      const expected = await output(['flow-log', SAMPLE])
      expect(await output(['flow-log', path])).toBe(expected)
      expect(await output(['flow-log', '-'], readFileSync(path))).toBe(expected)
    },
  )

  test('flow-log compresses as the name of its output says', async () => {
    const path = join(temporaryDirectory(), 'flows.log.gz')
    const program = mirrortap(['flow-log', SAMPLE, '-o', path])
    expect(await program.ended()).toBe(0)
    expect(program.stdout.toString()).toBe('')
    expect(program.stderr).toBe(`24 records written to ${path}\n`)
    expect(gunzipSync(readFileSync(path)).toString()).toBe(await output(['flow-log', SAMPLE]))
  })

  test('uses all that came through a pipe before it broke off, and says so', async () => {
    const sample = readFileSync(SAMPLE)
    const program = mirrortap(['flows', '-'], sample.subarray(0, sample.length - 10))
    expect(await program.ended()).toBe(1)
    expect(program.stdout.toString().split('\n').length).toBeGreaterThan(24)
    expect(program.stderr).toMatch(/^mirrortap: [^\n]*damaged at byte \d+: [^\n]+\n$/)
  })

  test.each(COMMANDS)('%s succeeds when its reader has seen enough', (command) => {
    const path = join(temporaryDirectory(), 'many.pcap')
    writeFileSync(path, manyFlows())
    const script = `"$0" "$1" ${command} "$2" | head -n 1; echo "\${PIPESTATUS[0]}"`
    const { stdout, stderr } = spawnSync('bash', ['-c', script, process.execPath, BIN, path], {
      encoding: 'utf8',
    })
    const [line, status] = stdout.trimEnd().split('\n')
    expect(line!.length).toBeGreaterThan(0)
    expect(status).toBe('0')
    expect(stderr).toBe('')
  })
})
