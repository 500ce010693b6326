import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { rowsOf } from '../../src/flow/flow-row.js'
import { Offline } from '../../src/offline/offline.js'
import { CaptureWriter } from '../../src/pcap/capture-writer.js'
import { openSink } from '../../src/sink/open.js'
import { formatIpv4 } from '../../src/wire/address.js'
import { ethernet, udp4 } from '../support/frames.js'
import { lentPacket } from '../support/lent-packet.js'
import { Random } from '../support/random.js'
import { hasTool } from '../support/tools.js'

/**
 * Idle time-outs beside those of nfpcapd. It looks for idle flows now and then
 * only, when packets come: so one flow here has a packet each second, and gaps are
 * clearly shorter or clearly longer than the time-out. softflowd and argus do not
 * end idle flows of a file on its own clock.
 */
const IDLE_SECONDS = 60
const START = 1_700_000_000
const LENGTH_SECONDS = 1800

interface Moment {
  seconds: number
  nanoseconds: number
  host: number
}

function traffic(seed: number): Moment[] {
  const random = new Random(seed)
  const moments: Moment[] = []
  for (let host = 1; host <= 60; host++) {
    let seconds = START + random.below(50)
    for (let left = 1 + random.below(12); left > 0 && seconds < START + LENGTH_SECONDS; left--) {
      moments.push({ seconds, nanoseconds: random.below(1e9), host })
      seconds += random.below(3) === 0 ? 200 + random.below(300) : random.below(50)
    }
  }
  for (let second = 0; second < LENGTH_SECONDS; second++) {
    moments.push({ seconds: START + second, nanoseconds: 0, host: 99 })
  }
  return moments.sort((a, b) => a.seconds - b.seconds || a.nanoseconds - b.nanoseconds)
}

async function writeCapture(path: string, moments: readonly Moment[]): Promise<void> {
  const sink = openSink(path, { limitBytes: Number.POSITIVE_INFINITY })
  const writer = new CaptureWriter(sink, { format: 'pcap', linkType: 1, snaplen: 262_144 })
  for (const { seconds, nanoseconds, host } of moments) {
    const packet = udp4({
      src: `10.0.0.${host}`,
      dst: '10.1.0.1',
      sport: 1000 + host,
      dport: 9999,
      payload: Buffer.alloc(host),
    })
    const frame = ethernet(packet)
    writer.write(lentPacket(frame, { seconds, nanoseconds }))
  }
  await sink.close()
}

/** Every life of every flow: source, packets, bytes. */
async function ourLives(path: string): Promise<string[]> {
  const idle = { new: IDLE_SECONDS, established: IDLE_SECONDS }
  const lives: string[] = []
  const offline = new Offline({
    decap: 'auto',
    vxlanPort: 4789,
    genevePort: 6081,
    flows: {
      capacity: 1000,
      lifetime: { tcp: idle, udp: idle, icmp: idle, other: idle },
      onEnd: (flow) => {
        for (const { packetSource, packets, bytes } of rowsOf(offline.tracker!, flow)) {
          lives.push(`${formatIpv4(packetSource[0]!)} ${packets} ${bytes}`)
        }
      },
    },
  })
  await offline.read(path)
  offline.tracker!.shutdown()
  return lives.sort()
}

function livesOfNfpcapd(directory: string, path: string): string[] {
  const into = join(directory, 'nfpcapd')
  mkdirSync(into)
  execFileSync('nfpcapd', ['-r', path, '-l', into, '-e', `3600,${IDLE_SECONDS}`], {
    stdio: 'ignore',
  })
  const text = execFileSync('nfdump', ['-q', '-R', into, '-o', 'fmt:%sa %pkt %byt'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    encoding: 'utf8',
  })
  const lines = text.split('\n').map((line) => line.trim().replace(/\s+/g, ' '))
  return lines.filter((line) => /^10\./.test(line)).sort()
}

describe('idle time-outs', () => {
  test.skipIf(!hasTool('nfpcapd') || !hasTool('nfdump')).each([1, 2, 3])(
    'end the same flows as those of nfpcapd (needs nfpcapd), seed %i',
    async (seed) => {
      const directory = mkdtempSync(join(tmpdir(), 'mirrortap-test-'))
      try {
        const path = join(directory, 'traffic.pcap')
        await writeCapture(path, traffic(seed))
        const ours = await ourLives(path)
        expect(ours.length).toBeGreaterThan(61)
        expect(livesOfNfpcapd(directory, path)).toEqual(ours)
      } finally {
        rmSync(directory, { recursive: true })
      }
    },
  )
})
