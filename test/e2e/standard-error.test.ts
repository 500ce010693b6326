import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { BIN, IS_BUILT, NEEDS_BUILD, readStats, UNHURRIED, until } from './program.js'

const HAS_PYTHON = spawnSync('python3', ['--version']).status === 0

/** `listen` with its standard error at a descriptor, and where it is known to run. */
async function start(stderr: number) {
  const directory = temporaryDirectory()
  const stats = join(directory, 'stats.json')
  const args = ['--bind', '127.0.0.1', '--port', '0', '--no-api', '--stats', stats]
  const captures = join(directory, 'captures')
  const child = spawn(process.execPath, [BIN, 'listen', ...args, '--capture-dir', captures], {
    stdio: ['ignore', 'ignore', stderr],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  await until(() => udpPortsOf(child.pid!) > 0)
  return { child, ended, stats }
}

/** Sockets of a process; its receiver is one. */
function udpPortsOf(pid: number): number {
  const inodes = readFileSync(`/proc/${pid}/net/udp`, 'utf8').matchAll(
    /^\s*\d+:(?:\s+\S+){8}\s+(\d+)/gm,
  )
  const wanted = new Set([...inodes].map(([, inode]) => `socket:[${inode}]`))
  const links = spawnSync('ls', ['-l', `/proc/${pid}/fd`], { encoding: 'utf8' }).stdout
  return [...wanted].filter((name) => links.includes(name)).length
}

describe.skipIf(!IS_BUILT || process.platform !== 'linux')(
  `standard error${NEEDS_BUILD}`,
  UNHURRIED,
  () => {
    test('on a full disk ends nothing, and the ledger is written', async () => {
      const fd = openSync('/dev/full', 'w')
      const { child, ended, stats } = await start(fd)
      closeSync(fd)
      child.kill('SIGUSR1')
      child.kill('SIGHUP')
      child.kill('SIGINT')
      expect(await ended).toEqual([0, null])
      expect(readStats(stats)).toMatchObject({ received: 0 })
    })

    test('whose reader has gone ends nothing, and no part of a file is left', async () => {
      const fifo = join(temporaryDirectory(), 'fifo')
      spawnSync('mkfifo', [fifo])
      const reader = openSync(fifo, 'r+')
      const writer = openSync(fifo, 'w')
      const { child, ended, stats } = await start(writer)
      closeSync(reader)
      closeSync(writer)
      child.kill('SIGHUP')
      child.kill('SIGINT')
      expect(await ended).toEqual([0, null])
      expect(readStats(stats)).toMatchObject({ received: 0 })
      expect(readdirSync(join(stats, '..'), { recursive: true }).join()).not.toContain('.part')
    })

    test('that nobody reads holds nothing up, and what it lost is counted', async () => {
      const fifo = join(temporaryDirectory(), 'fifo')
      spawnSync('mkfifo', [fifo])
      const reader = openSync(fifo, 'r+')
      // As full as a pipe can be.
      const filler = openSync(fifo, 'r+')
      spawnSync(process.execPath, ['-e', FILL, fifo])
      const { child, ended, stats } = await start(filler)
      closeSync(filler)
      for (let at = 0; at < 10; at++) child.kill('SIGHUP')
      child.kill('SIGINT')
      expect(await ended).toEqual([0, null])
      expect(readStats(stats)).toMatchObject({ received: 0 })
      closeSync(reader)
    })

    test.skipIf(!HAS_PYTHON)(
      'on a terminal that is held does not stop the work (needs python3)',
      () => {
        const { status, stdout } = spawnSync('python3', ['-c', HELD, process.execPath, BIN], {
          encoding: 'utf8',
        })
        expect({ status, stdout }).toEqual({ status: 0, stdout: 'ended 0\n' })
      },
    )

    test('is not standard output: a full disk there is one line, exit code 1', () => {
      const fd = openSync('/dev/full', 'w')
      const { status, stderr } = spawnSync(process.execPath, [BIN, '--help'], {
        stdio: ['ignore', fd, 'pipe'],
        encoding: 'utf8',
      })
      closeSync(fd)
      expect({ status, stderr }).toEqual({
        status: 1,
        stderr:
          'mirrortap: cannot write to standard output: no space left on the device; free some (ENOSPC)\n',
      })
    })
  },
)

const FILL = `
const { openSync, writeSync, constants } = require('node:fs')
const fd = openSync(process.argv[1], constants.O_RDWR | constants.O_NONBLOCK)
try { for (;;) writeSync(fd, Buffer.alloc(4096)) } catch {}
try { for (;;) writeSync(fd, Buffer.alloc(1)) } catch {}
`

/** Runs listen on a terminal whose other end nobody reads: once it is full, it takes nothing. */
const HELD = `
import os, pty, subprocess, sys, fcntl
ours, theirs = pty.openpty()
child = subprocess.Popen(
    [*sys.argv[1:], 'listen', '--bind', '127.0.0.1', '--port', '0', '--no-api', '--duration', '3s'],
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs)
flags = fcntl.fcntl(theirs, fcntl.F_GETFL)
other = os.open(os.ttyname(theirs), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
try:
    while True: os.write(other, b'x' * 100)
except BlockingIOError:
    pass
print('ended', child.wait())
`
