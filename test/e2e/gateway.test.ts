import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import {
  Appliance,
  filesBelow,
  IS_BUILT,
  mirrortap,
  NEEDS_BUILD,
  readStats,
  UNHURRIED,
  until,
} from './program.js'
import { framesOf } from './tcpdump.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

describe.skipIf(!IS_BUILT)(`mirror --gateway${NEEDS_BUILD}`, UNHURRIED, () => {
  test('brings listen --geneve-port every frame, in the session of its source', async () => {
    const directory = temporaryDirectory()
    const captures = join(directory, 'captures')
    const stats = join(directory, 'stats.json')
    const kept = ['--capture-dir', captures, '--rotate-interval', '30d', '--stats', stats]
    const appliance = new Appliance(['--geneve-port', '0', '--no-api', ...kept])
    const [, port] = await appliance.says(/and port (\d+) \(GENEVE\)/)
    const to = ['--to', `127.0.0.1:${port}`, '--vni', '7', '--speed', 'max', '--gateway']
    const source = mirrortap(['mirror', '--read', SAMPLE, ...to])
    expect(await source.ended()).toBe(0)
    const sent = framesOf(SAMPLE)!
    const captured = (): string[] | undefined => {
      const file = filesBelow(captures).find((name) => name.includes('.pcap'))
      return file === undefined ? undefined : framesOf(join(captures, file))
    }
    await until(() => captured()?.length === sent.length)
    expect(await appliance.stop()).toBe(0)

    expect(captured()).toEqual(sent)
    const report = readStats(stats)
    expect(report).toMatchObject({ received: sent.length, accepted: sent.length, malformed: {} })
    expect(report.sessions).toMatchObject([{ vni: 7, source: '127.0.0.1' }])
  })
})
