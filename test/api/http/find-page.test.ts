import { mkdirSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type FindLimits, findPage } from '../../../src/api/http/find-page.js'
import { signRequest } from '../../../src/aws/sigv4/signer.js'
import { BIN, IS_BUILT, NEEDS_BUILD } from '../../e2e/program.js'
import { ethernet, tcp4 } from '../../support/frames.js'
import { pcapFile } from '../../support/pcap-file.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { readWrittenBytes } from '../../support/written-captures.js'
import { ALICE, REGION, startApi } from '../running-api.js'

const PATH = '/captures/find'

/** A capture directory of one session, with 3000 packets to port 443 and as many to port 80. */
function captureDirectory(): string {
  const directory = temporaryDirectory()
  mkdirSync(join(directory, 'vni-7_10.0.0.9'))
  const payload = Buffer.alloc(1000)
  const shots = [443, 80].flatMap((dport) =>
    Array.from({ length: 3000 }, (_, index) => ({
      seconds: 1_700_000_000 + index,
      frame: ethernet(tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport, payload })),
    })),
  )
  writeFileSync(join(directory, 'vni-7_10.0.0.9', '20231114T221320Z.pcap'), pcapFile(shots))
  return directory
}

interface Served {
  find(query: string): Promise<Response>
  /** How many bytes came, and whether they were all. */
  load(query: string): Promise<{ bytes: number; isComplete: boolean }>
}

async function served(
  limits: Partial<FindLimits> = {},
  program: readonly [string, ...string[]] = [process.execPath, BIN],
): Promise<Served> {
  const page = findPage({ program, directory: captureDirectory(), limits })
  const { url } = await startApi({ routes: [page] })
  const signed = (query: string): Record<string, string> => {
    const headers = { host: new URL(url).host }
    const request = { method: 'GET', path: PATH, query, headers, body: Buffer.alloc(0) } as const
    return signRequest(request, ALICE, { region: REGION, service: 'ec2', at: new Date() })
  }
  return {
    find: (query) => fetch(`${url}${PATH}?${query}`, { headers: signed(query) }),
    // Node's own client tells a body that is cut from one that is whole.
    load: (query) =>
      new Promise((resolve) => {
        get(`${url}${PATH}?${query}`, { headers: signed(query) }, (response) => {
          let bytes = 0
          response.on('data', (piece: Buffer) => {
            bytes += piece.length
          })
          response.on('error', () => undefined)
          response.on('close', () => resolve({ bytes, isComplete: response.complete }))
        })
      }),
  }
}

describe.skipIf(!IS_BUILT)(`GET /captures/find${NEEDS_BUILD}`, () => {
  test('answers with the packets of the capture directory as pcapng', async () => {
    const { find } = await served()
    const answer = await find('filter=tcp%20port%2080&since=1700000010&until=1700000019')
    expect(answer.status).toBe(200)
    const packets = readWrittenBytes(Buffer.from(await answer.arrayBuffer()))
    expect(packets.map(({ seconds }) => seconds - 1_700_000_000)).toEqual([
      10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
    ])
  })

  test('is for who has a key, and says in one line what is wrong with a request', async () => {
    const { find } = await served()
    for (const [query, says] of [
      ['filter=hots', /hots/],
      ['since=yesterday', /10m ago/],
      ['file=%2Fetc%2Fpasswd', /file is not known here/],
      ['filter=%2Fetc%2Fx.pcap', /./],
    ] as const) {
      const answer = await find(query)
      expect(answer.status, query).toBe(400)
      expect(await answer.text()).toMatch(says)
    }
    const { url } = await startApi({
      routes: [findPage({ program: [process.execPath, BIN], directory: '.' })],
    })
    expect((await fetch(`${url}${PATH}`)).status).toBeOneOf([401, 403])
  })

  test('cuts an answer short that has more bytes than it may, so that the reader can tell', async () => {
    const { load } = await served({ bytes: 500_000 })
    const { bytes, isComplete } = await load('')
    expect(isComplete).toBe(false)
    expect(bytes).toBeLessThanOrEqual(500_000)
    expect((await load('count=1')).isComplete).toBe(true)
  })

  test('ends a search that takes too long, before it has found something and behind that', async () => {
    const silent = await served({ seconds: 0.2 }, ['sh', '-c', 'exec sleep 1000'])
    const answer = await silent.find('')
    expect(answer.status).toBe(503)
    expect(await answer.text()).toMatch(/^nothing was found within 0.2 seconds; ask for less/)
    const slow = await served({ seconds: 1 }, ['sh', '-c', 'printf x; exec sleep 1000'])
    expect(await slow.load('')).toEqual({ bytes: 1, isComplete: false })
  })

  test('searches for so many at a time', async () => {
    const { find } = await served({ searches: 1 })
    const answers = await Promise.all([find(''), find('')])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 503])
    await Promise.all(answers.map((answer) => answer.arrayBuffer()))
    expect((await find('count=1')).status).toBe(200)
  })
})
