import { readSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { chooseReceiver } from '../../src/receive/open.js'
import { AF_UNIX, loadLibc, SOCK_CLOEXEC, SOCK_DGRAM } from '../../src/sys/libc.js'
import { ServiceManager } from '../../src/sys/service-manager.js'
import { temporaryDirectory } from '../support/temporary.js'

const HAS_LIBC = chooseReceiver('auto') === 'recvmmsg'
const NONBLOCK = 0o4000

/** A socket as systemd has one; answers with what reads the next message. */
function notifySocket(path: string): () => string {
  const libc = loadLibc()
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | NONBLOCK, 0)
  onTestFinished(() => void libc.close(fd))
  const name = path.startsWith('@') ? `\0${path.slice(1)}` : path
  const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(name)])
  expect(libc.bind(fd, address, address.length)).toBe(0)
  return () => {
    const bytes = Buffer.alloc(4096)
    return bytes.toString('utf8', 0, readSync(fd, bytes))
  }
}

describe.skipIf(!HAS_LIBC)('the service manager (needs koffi on Linux)', () => {
  test.each(['path', 'abstract'])('is told by a socket that is %s', (kind) => {
    const directory = temporaryDirectory()
    const path = kind === 'path' ? join(directory, 'notify') : `@mirrortap-test-${process.pid}`
    const next = notifySocket(path)
    const manager = ServiceManager.open({ NOTIFY_SOCKET: path })!
    onTestFinished(() => manager.close())
    manager.tell('READY=1', 'STATUS=ready')
    manager.tell('STOPPING=1')
    expect(next()).toBe('READY=1\nSTATUS=ready')
    expect(next()).toBe('STOPPING=1')
    expect(manager.watchdogMs).toBeUndefined()
  })

  test('watches this process, if it says so', () => {
    const of = (environment: NodeJS.ProcessEnv) => {
      const manager = ServiceManager.open({ NOTIFY_SOCKET: '@nobody', ...environment })!
      onTestFinished(() => manager.close())
      return manager.watchdogMs
    }
    expect(of({ WATCHDOG_USEC: '30000000' })).toBe(30_000)
    expect(of({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: String(process.pid) })).toBe(30_000)
    expect(of({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' })).toBeUndefined()
  })

  test('that has gone, or was never there, is no error', () => {
    expect(ServiceManager.open({})).toBeUndefined()
    const manager = ServiceManager.open({ NOTIFY_SOCKET: '/no/such/socket' })!
    onTestFinished(() => manager.close())
    manager.tell('READY=1')
  })
})
