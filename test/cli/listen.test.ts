import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { DirectoryLock } from '../../src/sink/directory-lock.js'
import { temporaryDirectory } from '../support/temporary.js'
import { runMain } from './run-main.js'

/** What is refused before a socket is opened; test/e2e/listen.test.ts has the rest. */
describe('listen', () => {
  test.each([
    { args: ['--port', '65536'], says: 'Give a whole number from 0 to 65535.' },
    { args: ['--geneve-port', 'x'], says: 'Give a whole number from 0 to 65535.' },
    { args: ['--receiver', 'fast'], says: 'Allowed choices are auto, recvmmsg, dgram.' },
    { args: ['--workers', '0'], says: 'Give a whole number from 1 to 64.' },
    { args: ['--steer', 'port'], says: 'Allowed choices are vni, flow.' },
    { args: ['--receive-buffer', 'big'], says: 'Give a size such as 64MiB, 100MB or 1500.' },
    { args: ['--max-sessions', '0'], says: 'Give a whole number from 1 to 65000.' },
    { args: ['--capture-format', 'cap'], says: 'Allowed choices are pcap, pcapng.' },
    { args: ['--rotate-interval', '0'], says: 'Give a duration such as 60s, 10m or 1h.' },
    {
      args: ['--api', '4780'],
      says: 'Give ADDRESS:PORT, such as 127.0.0.1:4780 or [::1]:4780; ports are 0 to 65535.',
    },
    { args: ['--api', 'localhost:65536'], says: 'ports are 0 to 65535.' },
    { args: ['--duration', 'soon'], says: 'Give a duration such as 60s, 10m or 1h.' },
    { args: ['--duration', '5constructor'], says: 'Give a duration such as 60s, 10m or 1h.' },
    { args: ['--file-format', 'orc'], says: 'Allowed choices are plain-text, parquet.' },
  ])('refuses $args in one line', async ({ args, says }) => {
    const { code, out, err } = await runMain('listen', ...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+ \(see mirrortap listen --help\)\n$/)
    expect(err).toContain(says)
  })

  test.each([
    { args: ['--log-format', '${srcadr}'], says: "did you mean 'srcaddr'?" },
    { args: ['--account-id', 'a b'], says: "the account id 'a b' names a directory" },
    { args: ['--interface-id', 'a b'], says: 'interface-id: "a b" has a space' },
  ])('refuses $args, for flow logs, and makes nothing', async ({ args, says }) => {
    const dir = temporaryDirectory()
    const logs = join(dir, 'logs')
    const { code, out, err } = await runMain('listen', '--flow-log-dir', logs, ...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toContain(says)
    expect(readdirSync(dir)).toEqual([])
  })

  test.each([
    { args: ['--keep-files', '3'], says: '--keep-files has no effect without --capture-dir' },
    { args: ['--rotate-size', '100MB'], says: '--rotate-size has no effect without --capture-dir' },
    { args: ['--file-format', 'parquet'], says: 'has no effect without --flow-log-dir: give that' },
    { args: ['--per-hour-partition'], says: '--per-hour-partition has no effect without' },
    { args: ['--no-api', '--audit-log', 'a'], says: '--audit-log has no effect with --no-api' },
    { args: ['--no-auth', '--no-api'], says: '--no-auth has no effect with --no-api: leave one' },
  ])('refuses $args, which would be ignored', async ({ args, says }) => {
    const { code, out, err } = await runMain('listen', '--port', '0', ...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toContain(says)
  })

  test('refuses what a configuration says and nothing heeds', async () => {
    const path = join(temporaryDirectory(), 'config.yaml')
    writeFileSync(path, 'port: 0\nrotate-interval: 5m\n')
    const { code, err } = await runMain('listen', '--config', path)
    expect({ code, err }).toEqual({
      code: 2,
      err: 'mirrortap: --rotate-interval has no effect without --capture-dir: give that too, or leave it out\n',
    })
  })

  describe.each(['--capture-dir', '--flow-log-dir'])('%s', (option) => {
    test.skipIf(process.platform !== 'linux')(
      'refuses where nothing can be made (needs /proc)',
      async () => {
        expect(await runMain('listen', option, '/proc/mirrortap/logs')).toEqual({
          code: 1,
          out: '',
          err: 'mirrortap: cannot write /proc/mirrortap/logs: the directory does not exist; create it first (ENOENT)\n',
        })
      },
    )

    test('refuses a file', async () => {
      const path = join(temporaryDirectory(), 'file')
      writeFileSync(path, '')
      expect(await runMain('listen', option, path)).toEqual({
        code: 1,
        out: '',
        err: `mirrortap: cannot write ${path}: a part of the path is not a directory (ENOTDIR)\n`,
      })
    })

    test('refuses a directory in use, and leaves it as it is', async () => {
      const dir = temporaryDirectory()
      const lock = new DirectoryLock(dir)
      const before = readdirSync(dir)
      expect(await runMain('listen', option, dir)).toEqual({
        code: 1,
        out: '',
        err: `mirrortap: ${dir} is in use by process ${process.pid}; stop that one or name another directory\n`,
      })
      expect(readdirSync(dir)).toEqual(before)
      lock.release()
    })
  })

  test('refuses a ledger that could not be written, before it listens', async () => {
    const dir = temporaryDirectory()
    expect(await runMain('listen', '--stats', join(dir, 'none/ledger.json'))).toEqual({
      code: 1,
      out: '',
      err: `mirrortap: cannot write ${join(dir, 'none/ledger.json')}: the directory does not exist; create it first (ENOENT)\n`,
    })
    expect(await runMain('listen', '--stats', dir)).toMatchObject({
      code: 1,
      err: `mirrortap: cannot write ${dir}: that is a directory; name a file in it (EISDIR)\n`,
    })
    expect(readdirSync(dir)).toEqual([])
  })

  test('gives a directory back when the other one is refused', async () => {
    const dir = temporaryDirectory()
    const captures = join(dir, 'captures')
    const logs = join(dir, 'logs')
    mkdirSync(logs)
    const lock = new DirectoryLock(logs)
    const args = ['--capture-dir', captures, '--flow-log-dir', logs]
    expect((await runMain('listen', ...args)).code).toBe(1)
    expect(existsSync(captures)).toBe(false)
    lock.release()
  })
})
