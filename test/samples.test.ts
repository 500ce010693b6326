import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SAMPLES } from '../scripts/samples/samples.js'
import { hasTool, tshark } from './support/tools.js'

const DIR = join(import.meta.dirname, '../samples')
const captures = readdirSync(DIR).filter((name) => name.endsWith('.pcap'))
const readme = readFileSync(join(DIR, 'README.md'), 'utf8')

describe('samples', () => {
  test('are all made by scripts/samples, and few', () => {
    expect(captures.sort()).toEqual(Object.keys(SAMPLES).sort())
    const octets = captures.map((name) => statSync(join(DIR, name)).size)
    expect(octets.reduce((sum, length) => sum + length, 0)).toBeLessThan(300_000)
  })

  test.each(Object.entries(SAMPLES))(
    '%s comes out the same (if not: scripts/make-samples, and look at what changed)',
    (name, make) => {
      const kept = readFileSync(join(DIR, name))
      expect(make().equals(kept)).toBe(true)
      const size = kept.length.toString().replace(/\B(?=(\d{3})+$)/g, ' ')
      expect(readme).toMatch(new RegExp(`^\\| \`${name}\` \\| \\d+ \\| ${size} \\| `, 'm'))
    },
  )

  test.skipIf(!hasTool('tshark')).each(captures)(
    '%s is sound, headers and checksums (needs tshark)',
    (name) => {
      // Nothing marks an inner packet as cut, so the sum over what is left cannot be right.
      const cut = name === 'cut-by-packet-length.pcap' ? 16 : 0
      const bad =
        '_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0'
      const options = ['ip', 'tcp', 'udp'].flatMap((layer) => [
        '-o',
        `${layer}.check_checksum:TRUE`,
      ])
      const capture = readFileSync(join(DIR, name))
      expect(tshark(capture, [...options, '-Y', bad])).toHaveLength(cut)
      const times = tshark(capture, ['-T', 'fields', '-e', 'frame.time_delta']).map(Number)
      expect(Math.min(...times)).toBeGreaterThanOrEqual(0)
    },
  )
})
