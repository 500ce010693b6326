import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LINES_A_MINUTE } from '../../src/appliance/line-limit.js'
import { temporaryDirectory } from '../support/temporary.js'
import { Appliance, IS_BUILT, NEEDS_BUILD, UNHURRIED, until } from './program.js'

const CAUSES = 100

const ids = Array.from({ length: CAUSES }, (_, at) => at)

/** Sessions that share a VNI, each of which is a line about the state. */
const CONFIG = {
  TrafficMirrorTargets: [{ TrafficMirrorTargetId: 'tmt-t', NetworkInterfaceId: 'eni-t' }],
  TrafficMirrorFilters: [{ TrafficMirrorFilterId: 'tmf-f' }],
  TrafficMirrorSessions: ids.map((id) => ({
    TrafficMirrorSessionId: `tms-${id}`,
    NetworkInterfaceId: `eni-${id}`,
    TrafficMirrorTargetId: 'tmt-t',
    TrafficMirrorFilterId: 'tmf-f',
    SessionNumber: 1,
    VirtualNetworkId: 7,
  })),
}

/** Each comes and goes, which is a line, or two. */
async function visit(port: number, times: number): Promise<void> {
  for (let visited = 0; visited < times; visited++) {
    const socket = connect(port, '127.0.0.1')
    await new Promise((resolve) => socket.once('data', resolve))
    socket.destroy()
  }
}

describe.skipIf(!IS_BUILT)(`lines that others can cause${NEEDS_BUILD}`, UNHURRIED, () => {
  test('are sixty a minute of each kind, and how many were left out is said', async () => {
    const directory = temporaryDirectory()
    const at = (name: string): string => join(directory, name)
    const queues = at('logs/.deliver')
    mkdirSync(queues, { recursive: true })
    // Where flow logs of an earlier run were delivered to: each that cannot be read is a line.
    for (const id of ids) writeFileSync(join(queues, `fl-${id}.json`), '{')
    writeFileSync(at('config.yaml'), JSON.stringify(CONFIG))
    mkdirSync(at('audit'))
    const appliance = new Appliance([
      ...['--config', at('config.yaml'), '--flow-log-dir', at('logs'), '--pcap-over-ip', '0'],
      ...['--api', '127.0.0.1:0', '--no-auth', '--audit-log', at('audit/log')],
    ])
    await appliance.port()
    const [, readers] = await appliance.says(/^pcap over IP at 127\.0\.0\.1:(\d+)/m)
    await visit(Number(readers), CAUSES)
    const [, api] = await appliance.says(/^API on (\S+),/m)
    // Of each two changes one is written, and the other one cannot be.
    for (const id of ids) {
      if (id % 2 === 0) rmSync(at('audit'), { recursive: true })
      else mkdirSync(at('audit'))
      const call = new URLSearchParams({ Action: 'CreateTags', Version: '2016-11-15' })
      await (await fetch(`${api}/?${call}`)).text()
    }
    await until(() => appliance.stderr.includes('has read'))
    expect(await appliance.stop()).toBe(0)
    for (const { of, about } of KINDS) {
      const said = appliance.stderr.split('\n').filter((line) => of.test(line)).length
      const leftOut = new RegExp(`^lines about ${about} left out: (\\d+)$`, 'gm')
      const counts = [...appliance.stderr.matchAll(leftOut)].map(([, count]) => Number(count))
      const omitted = counts.reduce((sum, count) => sum + count, 0)
      // A busy machine may take more than a minute.
      expect.soft(said, about).toBeLessThanOrEqual(LINES_A_MINUTE * (counts.length + 1))
      expect.soft(said + omitted, about).toBeGreaterThanOrEqual(CAUSES - 1)
      expect.soft(counts, about).not.toEqual([])
    }
  })
})

const KINDS = [
  { about: 'the state', of: /have the VNI 7 and nothing else tells/ },
  { about: 'deliveries', of: /fl-\d+\.json cannot be read/ },
  { about: 'packets to other tools', of: /has read \d+ packets/ },
  { about: 'the audit log', of: /^audit log: / },
]
