import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { readIndex } from '../../src/search/index-file.js'
import { MissingIndexes } from '../../src/search/missing-indexes.js'
import { ethernet, tcp4 } from '../support/frames.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { Random } from '../support/random.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { BIN, IS_BUILT, NEEDS_BUILD, Program, UNHURRIED, until } from './program.js'

/** LONG_TESTS=1 kills it at many more moments. */
const KILLS = process.env['LONG_TESTS'] === undefined ? 1 : 40
const FILES = 8
const PACKETS = 1300
const MOST_WAIT_MS = 40

/** Of one capture: each host is in one packet. */
function shotsOf(file: number, delaySeconds: number): Shot[] {
  const payload = Buffer.alloc(600)
  return Array.from({ length: PACKETS }, (_, index) => {
    const src = `10.${file}.${index >>> 8}.${index & 255}`
    const frame = ethernet(tcp4({ src, dst: '192.0.2.1', sport: index, dport: 443, payload }))
    return { seconds: 1000 * file + index + delaySeconds, frame }
  })
}

/** As `listen` leaves them. */
function captureDirectory(): { directory: string; captures: string[] } {
  const directory = temporaryDirectory()
  const session = join(directory, 'vni-7_10.0.0.9')
  mkdirSync(session)
  const captures = Array.from({ length: FILES }, (_, file) => {
    const path = join(session, `20260101T0000${String(file).padStart(2, '0')}Z.pcap`)
    writeFileSync(path, pcapFile(shotsOf(file, 0)))
    return path
  })
  return { directory, captures }
}

async function found(directory: string): Promise<string> {
  const { out, code } = await runCommand(
    ...['find', '--dir', directory, '--count', 'host 10.3.0.7 or host 10.6.4.9 or port 17'],
  )
  expect(code).toBe(0)
  return out
}

describe.skipIf(!IS_BUILT)(`indexing that is killed${NEEDS_BUILD}`, () => {
  test.each(['index', 'listen --index'])(
    '%s leaves no damaged index, the same answers, and nothing once it has run again',
    UNHURRIED,
    async (kind) => {
      const seed = process.env['LONG_TESTS'] === undefined ? 5 : Date.now() % 1e6
      const random = new Random(seed)
      const { directory, captures } = captureDirectory()
      const session = join(directory, 'vni-7_10.0.0.9')
      const expected = await found(directory)
      expect(Number(expected)).toBe(FILES + 2)
      const live = ['--port', '0', '--bind', '127.0.0.1', '--no-api', '--capture-dir', directory]
      const args = kind === 'index' ? ['index', directory] : ['listen', ...live, '--index']
      for (let kill = 0; kill < KILLS; kill++) {
        const name = `seed ${seed}, kill ${kill}`
        // Some are others now, so that there is something to index.
        for (const [file, path] of captures.entries()) {
          if (random.below(2) === 0) writeFileSync(path, pcapFile(shotsOf(file, kill + 1)))
        }
        const answer = await found(directory)
        const program = new Program([process.execPath, BIN, ...args])
        const begun = 1 + random.below(FILES - 2)
        const isFit = (path: string): boolean => typeof readIndex(path) === 'object'
        await until(() => captures.filter(isFit).length >= Math.min(begun, FILES - 1))
        await delay(random.below(MOST_WAIT_MS))
        program.signal('SIGKILL')
        await program.ended()
        const states = captures.map((path) => readIndex(path))
        expect(states, name).not.toContain('damaged')
        expect(await found(directory), name).toBe(answer)
      }
      if (kind === 'index') expect(await runCommand('index', directory)).toMatchObject({ code: 0 })
      else {
        const missing = new MissingIndexes(directory, () => undefined)
        await missing.look()
        while (await missing.indexNext());
      }
      expect(captures.map((path) => typeof readIndex(path))).toEqual(captures.map(() => 'object'))
      expect(readdirSync(session).filter((entry) => entry.endsWith('.part'))).toEqual([])
    },
  )
})
