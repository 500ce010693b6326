import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { buildIndex, indexPathOf } from '../../src/search/index-file.js'
import { PacketSearch } from '../../src/search/packet-search.js'
import { ethernet, tcp4 } from '../support/frames.js'
import { EVERYTHING } from '../support/packet-search.js'
import { pcapFile } from '../support/pcap-file.js'
import { temporaryDirectory } from '../support/temporary.js'

test('a capture that retention removes under a search is found whole, or named', async () => {
  const directory = temporaryDirectory()
  const payload = Buffer.alloc(1000)
  const frame = ethernet(tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2, payload }))
  const files = [0, 1, 2].map((file) => {
    const path = join(directory, `${file}.pcap`)
    const shots = Array.from({ length: 1000 }, (_, index) => ({
      seconds: 1000 * file + index,
      frame,
    }))
    writeFileSync(path, pcapFile(shots))
    return { path, session: 'vni-7_10.0.0.9' }
  })
  for (const { path } of files) await buildIndex(path)
  const search = new PacketSearch({
    ...EVERYTHING,
    files,
  })
  const remove = (path: string): void => {
    rmSync(path, { force: true })
    rmSync(indexPathOf(path), { force: true })
  }
  const plans = [...search.plan()]
  // The first when the search is in the middle of it, the last before it is begun.
  const outcomes = await search.read(
    plans,
    () => undefined,
    () => {
      for (const file of [0, 2]) remove(files[file]!.path)
    },
  )
  expect(search.found).toBe(2000)
  expect(outcomes.map(({ error }) => error?.message)).toEqual([
    undefined,
    undefined,
    expect.stringMatching(/2\.pcap does not exist/),
  ])
})
