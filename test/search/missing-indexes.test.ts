import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readIndex } from '../../src/search/index-file.js'
import { MissingIndexes } from '../../src/search/missing-indexes.js'
import { ethernet, tcp4 } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { temporaryDirectory } from '../support/temporary.js'

const CAPTURE = pcapFile([
  { frame: ethernet(tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 })) },
])

function captureDirectory(): { directory: string; session: string; put: (name: string) => string } {
  const directory = temporaryDirectory()
  const session = join(directory, 'vni-7_10.0.0.9')
  mkdirSync(session)
  const put = (name: string): string => {
    writeFileSync(join(session, name), CAPTURE)
    return join(session, name)
  }
  return { directory, session, put }
}

async function indexAll(directory: string): Promise<string[]> {
  const problems: string[] = []
  const missing = new MissingIndexes(directory, (line) => problems.push(line))
  await missing.look()
  while (await missing.indexNext());
  return problems
}

describe('the indexes of a capture directory', () => {
  test('are made of finished captures that have none, and of those whose index is damaged', async () => {
    const { directory, session, put } = captureDirectory()
    const first = put('20260101T000000Z.pcap')
    put('20260101T000100Z.pcap.part')
    put('mine.pcap')
    expect(await indexAll(directory)).toEqual([])
    const made = readdirSync(session).filter((name) => name.endsWith('.idx'))
    expect(made).toEqual(['20260101T000000Z.pcap.idx'])
    const whole = readFileSync(`${first}.idx`)
    // What a killed run leaves.
    writeFileSync(`${first}.idx`, whole.subarray(0, 50))
    writeFileSync(`${first}.idx.part`, whole.subarray(0, 30))
    const second = put('20260101T000100Z.pcap')
    expect(await indexAll(directory)).toEqual([])
    expect([readIndex(first), readIndex(second)]).toEqual([expect.any(Object), expect.any(Object)])
    expect(readdirSync(session).filter((name) => name.endsWith('.idx.part'))).toEqual([])
  })

  test('go when their captures have gone', async () => {
    const { directory, session, put } = captureDirectory()
    rmSync(put('20260101T000000Z.pcap'))
    for (const name of ['20260101T000000Z.pcap.idx', '20260101T000000Z.pcap.idx.part', 'a.idx']) {
      put(name)
    }
    expect(await indexAll(directory)).toEqual([])
    expect(readdirSync(session)).toEqual(['a.idx'])
  })

  test('are not made of what is no capture, which is said once', async () => {
    const { directory, put } = captureDirectory()
    writeFileSync(put('20260101T000000Z.pcap'), 'no capture')
    const problems: string[] = []
    const missing = new MissingIndexes(directory, (line) => problems.push(line))
    for (let looks = 0; looks < 3; looks++) {
      await missing.look()
      while (await missing.indexNext());
    }
    expect(problems).toEqual([expect.stringMatching(/^not indexed: .* is not a capture file/)])
  })

  test('of a directory that is not there yet are none', async () => {
    expect(await indexAll(join(temporaryDirectory(), 'later'))).toEqual([])
  })
})
