import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ethernet, tcp4 } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { temporaryDirectory } from '../support/temporary.js'
import { BIN, IS_BUILT, NEEDS_BUILD, Program, until } from './program.js'

const NICE_FIELD = 18

/** How nice the threads of a process are. */
function niceness(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')')).split(' ')[NICE_FIELD - 1])
  })
}

describe.skipIf(!IS_BUILT || process.platform !== 'linux')(`listen --index${NEEDS_BUILD}`, () => {
  test('indexes what an earlier run has left, in one thread that gives way to all others', async () => {
    const directory = temporaryDirectory()
    const session = join(directory, 'vni-7_10.0.0.9')
    mkdirSync(session)
    const frame = ethernet(tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 443 }))
    const capture = join(session, '20260101T000000Z.pcap')
    writeFileSync(capture, pcapFile([{ frame }, { frame }]))
    const listen = new Program([
      process.execPath,
      BIN,
      'listen',
      ...['--port', '0', '--bind', '127.0.0.1', '--no-api', '--capture-dir', directory, '--index'],
    ])
    await until(() => existsSync(`${capture}.idx`))
    expect(niceness(listen.pid).filter((nice) => nice === 19)).toHaveLength(1)
    expect(niceness(listen.pid).filter((nice) => nice < 19).length).toBeGreaterThan(1)
    const find = new Program([
      process.execPath,
      BIN,
      'find',
      '--dir',
      directory,
      '--count',
      'vni 7',
    ])
    expect(await find.ended()).toBe(0)
    expect(find.stdout.toString()).toBe('2\n')
  })
})
