import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { openSink } from '../../src/sink/open.js'
import { put } from '../support/put.js'
import { temporaryDirectory } from '../support/temporary.js'

const isRoot = process.getuid?.() === 0
const isWindows = process.platform === 'win32'
const OPTIONS = { limitBytes: Number.POSITIVE_INFINITY }

describe('openSink', () => {
  test.each([
    {
      name: 'a directory that is not there',
      make: (at: string) => join(at, 'none', 'x.pcap'),
      says: /does not exist; create it/,
    },
    {
      name: 'a directory in place of a file',
      make: (at: string) => at,
      says: /is a directory; name a file/,
    },
    {
      name: 'a directory, spelled with its slash',
      make: (at: string) => `${at}/`,
      says: /is a directory; name a file/,
    },
    {
      name: 'a file in place of a directory',
      make: (at: string) => {
        writeFileSync(join(at, 'file'), '')
        return join(at, 'file', 'x.gz')
      },
      says: /not a directory/,
    },
    {
      name: 'a name too long',
      make: (at: string) => join(at, 'x'.repeat(253)),
      says: /name is too long/,
    },
  ])('refuses, in one line that says what to do: $name', ({ make, says }) => {
    const target = make(temporaryDirectory())
    expect(() => openSink(target, OPTIONS)).toThrow(OperatorError)
    expect(() => openSink(target, OPTIONS)).toThrow(says)
    expect(() => openSink(target, OPTIONS)).toThrow(/^cannot write [^\n]*$/)
  })

  test.skipIf(isRoot)('refuses a directory without permission (needs not to be root)', () => {
    const directory = temporaryDirectory()
    chmodSync(directory, 0o500)
    expect(() => openSink(join(directory, 'x'), OPTIONS)).toThrow(/no permission/)
  })

  test('writes through a symbolic link and leaves it in place', async () => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'far'))
    writeFileSync(join(directory, 'far', 'real'), 'old')
    symlinkSync(join(directory, 'far', 'real'), join(directory, 'link'))
    const sink = openSink(join(directory, 'link'), OPTIONS)
    put(sink, Buffer.from('new'))
    await sink.close()
    expect(lstatSync(join(directory, 'link')).isSymbolicLink()).toBe(true)
    expect(readFileSync(join(directory, 'far', 'real'), 'utf8')).toBe('new')
    expect(readdirSync(directory).sort()).toEqual(['far', 'link'])
  })

  // A device of the test's own: to root, one of the system's would be a file from the first mistake on.
  test.skipIf(!isRoot)('leaves a device a device (needs root, mknod)', async ({ skip }) => {
    const path = join(temporaryDirectory(), 'null')
    const made = spawnSync('mknod', [path, 'c', '1', '3'])
    if (made.status !== 0) skip(`mknod: ${made.stderr}`)
    const sink = openSink(path, OPTIONS)
    put(sink, Buffer.from('x'))
    await sink.close()
    expect(statSync(path).isCharacterDevice()).toBe(true)
  })

  test.skipIf(!isRoot)('reports a device that is full (needs root, mknod)', async ({ skip }) => {
    const path = join(temporaryDirectory(), 'full')
    const made = spawnSync('mknod', [path, 'c', '1', '7'])
    if (made.status !== 0) skip(`mknod: ${made.stderr}`)
    const sink = openSink(path, OPTIONS)
    put(sink, Buffer.from('x'))
    await expect(sink.close()).rejects.toMatchObject({ code: 'ENOSPC' })
  })

  test.skipIf(isWindows)('writes to a named pipe as it is (needs mkfifo)', async () => {
    const path = join(temporaryDirectory(), 'pipe')
    execFileSync('mkfifo', [path])
    const reader = spawn('cat', [path], { stdio: ['ignore', 'pipe', 'inherit'] })
    // It may be over before the sink is closed.
    const closed = once(reader, 'close')
    const read: Buffer[] = []
    reader.stdout.on('data', (chunk: Buffer) => read.push(chunk))
    const sink = openSink(path, OPTIONS)
    put(sink, Buffer.from('through'))
    await sink.close()
    await closed
    expect(Buffer.concat(read).toString()).toBe('through')
  })
})
