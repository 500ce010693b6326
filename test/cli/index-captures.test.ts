import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

describe('index', () => {
  test('indexes the captures of a directory once, and none that is still being written', async () => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'sub'))
    for (const name of ['a.pcap', 'sub/b.pcap', 'sub/c.pcap.part', 'notes.txt']) {
      copyFileSync(SAMPLE, join(directory, name))
    }
    const first = await runCommand('index', directory)
    expect(first).toMatchObject({ code: 0, out: '' })
    expect(first.err).toMatch(/^2 captures indexed \(0\.0 MB of index, [\d.]+ % of 0\.1 MB\)\n$/)
    expect(existsSync(join(directory, 'a.pcap.idx'))).toBe(true)
    expect(existsSync(join(directory, 'sub/b.pcap.idx'))).toBe(true)
    expect(existsSync(join(directory, 'sub/c.pcap.part.idx'))).toBe(false)
    const { err } = await runCommand('index', directory)
    expect(err).toBe('0 captures indexed; 2 had an index already\n')
  })

  test('says as JSON what it did, and names what it could not read', async () => {
    const directory = temporaryDirectory()
    copyFileSync(SAMPLE, join(directory, 'good.pcap'))
    writeFileSync(join(directory, 'bad.pcap'), 'no capture')
    const { code, out, err } = await runCommand('index', '--json', directory)
    expect(code).toBe(1)
    expect(err).toMatch(/^mirrortap: .*bad\.pcap is not a capture file: [^\n]+\n$/)
    expect(JSON.parse(out)).toMatchObject({
      indexed: [{ file: join(directory, 'good.pcap'), blocks: 1, damagedAt: null }],
      kept: 0,
      failed: 1,
    })
    expect(existsSync(join(directory, 'bad.pcap.idx'))).toBe(false)
  })

  test('wants a directory to have captures', async () => {
    const { code, err } = await runCommand('index', temporaryDirectory())
    expect(code).toBe(1)
    expect(err).toMatch(/^mirrortap: .* has no capture files: [^\n]+\n$/)
  })
})
