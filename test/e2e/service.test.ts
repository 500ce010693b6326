import { readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { chooseReceiver } from '../../src/receive/open.js'
import { AF_UNIX, loadLibc, SOCK_CLOEXEC, SOCK_DGRAM } from '../../src/sys/libc.js'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import {
  Appliance,
  filesBelow,
  IS_BUILT,
  NEEDS_BUILD,
  readStats,
  UNHURRIED,
  until,
} from './program.js'

const NONBLOCK = 0o4000
const HAS_LIBC = chooseReceiver('auto') === 'recvmmsg'

describe.skipIf(!IS_BUILT || !HAS_LIBC)(
  `listen as a service${NEEDS_BUILD} (needs koffi on Linux)`,
  UNHURRIED,
  () => {
    test('tells when it is ready, makes progress and stops, and reads its configuration again', async () => {
      const path = join(temporaryDirectory(), 'notify')
      const libc = loadLibc()
      const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | NONBLOCK, 0)
      onTestFinished(() => void libc.close(fd))
      const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(path)])
      expect(libc.bind(fd, address, address.length)).toBe(0)
      let told = ''
      // The queue of such a socket holds ten messages: somebody must read all the time.
      const reading = setInterval(() => {
        const bytes = Buffer.alloc(4096)
        try {
          for (;;) told += `${bytes.toString('utf8', 0, readSync(fd, bytes))}\n`
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
        }
      }, 10)
      onTestFinished(() => clearInterval(reading))
      const hear = (pattern: RegExp) => until(() => pattern.test(told))

      const config = join(temporaryDirectory(), 'mirrortap.yaml')
      const captures = join(temporaryDirectory(), 'captures')
      writeFileSync(config, `capture-dir: ${captures}\nrotate-size: 1MB\n`)
      const within = ['env', `NOTIFY_SOCKET=${path}`, 'WATCHDOG_USEC=2000000']
      const stats = join(temporaryDirectory(), 'ledger.json')
      const appliance = new Appliance(['--config', config, '--stats', stats], within)
      await hear(/^READY=1$/m)
      await hear(/^WATCHDOG=1$/m)
      expect(told).not.toContain('STOPPING')

      const port = await appliance.port()
      const sender = await UdpSender.open('127.0.0.1')
      const datagram = vxlan(
        7,
        ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 })),
      )
      const sendSome = async () => {
        for (let sent = 0; sent < 50; sent++) await sender.send(datagram, port, '127.0.0.1')
      }
      await sendSome()
      writeFileSync(config, `capture-dir: ${captures}\n\nrotate-size: much\n`)
      appliance.signal('SIGHUP')
      await appliance.says(
        /^SIGHUP: the configuration stays as it was: \S+:3: "rotate-size" cannot/m,
      )
      await sendSome()
      writeFileSync(config, `capture-dir: ${captures}\nrotate-size: 2kB\nworkers: 2\n`)
      appliance.signal('SIGHUP')
      await appliance.says(/^SIGHUP: changed --rotate-size; restart to change --workers$/m)
      await hear(/^RELOADING=1\nMONOTONIC_USEC=\d+\n(?:WATCHDOG=1\n|STATUS=.*\n)*READY=1$/m)
      await sendSome()
      const changes = ['rotate-size: 2kB', 'log-level: debug', 'filter: udp', 'health: 127.0.0.1:0']
      writeFileSync(config, `capture-dir: ${captures}\n${changes.join('\n')}\n`)
      appliance.signal('SIGHUP')
      await appliance.says(/^SIGHUP: changed --log-level, --filter, --health$/m)
      const [, health] = await appliance.says(/^health checks by HTTP, and \/metrics, on (\S+)$/m)
      expect((await fetch(`${health}/readyz`)).status).toBe(200)
      await sendSome()
      writeFileSync(config, 'log-level: debug\nfilter: tcp\nhealth: 127.0.0.1:0\n')
      appliance.signal('SIGHUP')
      await appliance.says(/^SIGHUP: changed --rotate-size, --capture-dir, --filter$/m)
      await sendSome()
      await sender.close()
      expect(await appliance.stop()).toBe(0)
      await hear(/^STOPPING=1$/m)
      expect(readStats(stats)).toMatchObject({
        received: 250,
        accepted: 200,
        filtered: 50,
        kernelLost: 0,
        totals: { captured: 200, captureLost: 0 },
      })
      // From the second change on, a file has some thirty of these.
      expect(filesBelow(captures).length).toBeGreaterThan(1)
    })
  },
)
