import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AppendSink } from '../../src/sink/append-sink.js'
import { BlockPool } from '../../src/sink/block-pool.js'
import { Turns } from '../../src/sink/turns.js'
import { FailingDisk } from '../support/failing-disk.js'
import { put } from '../support/put.js'
import { temporaryDirectory } from '../support/temporary.js'

function group() {
  return { pool: new BlockPool(Number.POSITIVE_INFINITY), turns: new Turns(4), headerUnits: 1 }
}

/** Files below the directory that this process has open. */
function openBelow(directory: string): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`)
      } catch {
        // The one that was open to list them.
        return ''
      }
    })
    .filter((path) => path.startsWith(`${directory}/`))
}

const HAS_PROC = existsSync('/proc/self/fd')

describe('AppendSink', () => {
  test('grows many files at the same time, and has none of them open', async () => {
    const directory = temporaryDirectory()
    const options = group()
    const sinks = Array.from(
      { length: 200 },
      (_, index) => new AppendSink(join(directory, String(index)), options),
    )
    for (let round = 0; round < 3; round++) {
      for (const [index, sink] of sinks.entries()) put(sink, Buffer.from(`${index}.${round}\n`))
      await Promise.all(sinks.map((sink) => sink.drained()))
      if (HAS_PROC) expect(openBelow(directory)).toEqual([])
    }
    expect(readdirSync(directory).every((name) => name.endsWith('.part'))).toBe(true)
    await Promise.all(sinks.map((sink) => sink.close()))
    expect(readdirSync(directory)).toHaveLength(200)
    expect(readFileSync(join(directory, '137'), 'utf8')).toBe('137.0\n137.1\n137.2\n')
  })

  test('replaces what is left of an earlier run', async () => {
    const path = join(temporaryDirectory(), 'a')
    writeFileSync(path, 'old and long')
    writeFileSync(`${path}.part`, 'older and longer')
    const sink = new AppendSink(path, group())
    put(sink, Buffer.from('1'))
    put(sink, Buffer.from('2'))
    await sink.close()
    expect(readFileSync(path, 'utf8')).toBe('12')
  })

  test.each([
    { name: 'cuts a file after its last whole unit', room: 25, left: ['a'], octets: 20 },
    { name: 'removes a file that has a header alone', room: 15, left: [], octets: 0 },
    { name: 'removes a file of which nothing went out', room: 0, left: [], octets: 0 },
  ])('$name when the disk is full', async ({ room, left, octets }) => {
    const directory = temporaryDirectory()
    const disk = new FailingDisk()
    disk.room = room
    const sink = new AppendSink(join(directory, 'a'), group())
    for (let unit = 0; unit < 4; unit++) put(sink, Buffer.alloc(10, unit))
    await expect(sink.close()).rejects.toThrow(/^cannot write .*no space left/)
    expect(readdirSync(directory)).toEqual(left)
    if (octets > 0) expect(readFileSync(join(directory, 'a'))).toHaveLength(octets)
  })

  test('leaves nothing when it is discarded, or was never written to', async () => {
    const directory = temporaryDirectory()
    const sink = new AppendSink(join(directory, 'a'), group())
    put(sink, Buffer.alloc(10))
    put(sink, Buffer.alloc(10))
    await sink.drained()
    expect(readdirSync(directory)).toEqual(['a.part'])
    await sink.discard()
    await new AppendSink(join(directory, 'b'), group()).close()
    expect(readdirSync(directory)).toEqual([])
  })
})
