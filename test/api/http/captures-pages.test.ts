import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { capturesPages } from '../../../src/api/http/captures-pages.js'
import type { CaptureListing } from '../../../src/appliance/capture-list.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { startApi } from '../running-api.js'

/** More than lies between a server and a reader that does not read. */
const BYTES = 16 * 1024 * 1024

const TWO_SESSIONS = {
  'vni-7_10.0.0.9': [
    '20261120T100000Z.pcap',
    '20261120T120000Z-2.pcap',
    '20261120T120000Z-10.pcap',
  ],
  'tms-1': [
    '20261120T110000Z.w1.pcapng',
    '20261120T130000Z.pcap.part',
    'notes.txt',
    '.hidden.pcap',
  ],
}

/** Directories as they were changed when the last file in them was finished. */
function captureDirectory(files: Readonly<Record<string, readonly string[]>>): string {
  const directory = temporaryDirectory()
  for (const [session, names] of Object.entries(files)) {
    mkdirSync(join(directory, session))
    for (const name of names) writeFileSync(join(directory, session, name), `${session} ${name}`)
    utimesSync(join(directory, session), new Date(), new Date('2026-11-20T14:00:00Z'))
  }
  return directory
}

async function served(directory: string, limits = {}) {
  const routes = capturesPages({ directory, limits })
  const { url } = await startApi({ routes, credentials: 'none' })
  return {
    url,
    list: async (query = '') => {
      const answer = await fetch(`${url}/captures?${query}`)
      return (await answer.json()) as CaptureListing
    },
    file: (session: string, name: string) =>
      fetch(`${url}/captures/file?${new URLSearchParams({ session, name })}`),
  }
}

describe('GET /captures', () => {
  test('lists finished captures, newest first, in pages that miss nothing and repeat nothing', async () => {
    const { list } = await served(captureDirectory(TWO_SESSIONS))
    const { captures, sessions, next } = await list()
    expect(next).toBeUndefined()
    expect(sessions.toSorted()).toEqual(['tms-1', 'vni-7_10.0.0.9'])
    expect(captures.map(({ name }) => name)).toEqual([
      '20261120T120000Z-10.pcap',
      '20261120T120000Z-2.pcap',
      '20261120T110000Z.w1.pcapng',
      '20261120T100000Z.pcap',
    ])
    expect(captures[2]).toMatchObject({
      session: 'tms-1',
      start: '2026-11-20T11:00:00Z',
      bytes: 32,
    })

    const paged: string[] = []
    let before: string | undefined = ''
    do {
      const query = new URLSearchParams({ count: '1', ...(before !== '' && { before }) })
      const page = await list(query.toString())
      paged.push(...page.captures.map(({ name }) => name))
      before = page.next
    } while (before !== undefined)
    expect(paged).toEqual(captures.map(({ name }) => name))
  })

  test('lists those of one session, and none of one that has none', async () => {
    const { list } = await served(captureDirectory(TWO_SESSIONS))
    expect((await list('session=tms-1')).captures).toHaveLength(1)
    for (const session of ['gone', '..', '.', 'a/b', '']) {
      expect((await list(`session=${session}`)).captures, session).toEqual([])
    }
  })

  test('looks no further than where the newest must be', async () => {
    const directory = captureDirectory(TWO_SESSIONS)
    // It began after the last change of its directory, which cannot be.
    mkdirSync(join(directory, 'old'))
    writeFileSync(join(directory, 'old', '20261120T235959Z.pcap'), '')
    utimesSync(join(directory, 'old'), new Date(), new Date('2026-11-20T09:00:00Z'))
    const { list } = await served(directory)
    const { captures } = await list('count=2')
    expect(captures[0]!.name).toBe('20261120T120000Z-10.pcap')
  })

  test('says in one line what is wrong with a request', async () => {
    const { url } = await served(captureDirectory({}))
    for (const [query, says] of [
      ['count=0', /from 1 to 1000/],
      ['count=1001', /from 1 to 1000/],
      ['file=x', /file is not known here/],
      [`session=${'x'.repeat(2000)}`, /session is not a valid name/],
    ] as const) {
      const answer = await fetch(`${url}/captures?${query}`)
      expect(answer.status, query).toBe(400)
      expect(await answer.text()).toMatch(says)
    }
  })
})

describe('GET /captures/file', () => {
  test('gives a capture as it is, to be saved under the names of its session and its own', async () => {
    const { file } = await served(captureDirectory(TWO_SESSIONS))
    const answer = await file('vni-7_10.0.0.9', '20261120T100000Z.pcap')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-disposition')).toBe(
      'attachment; filename="vni-7_10.0.0.9_20261120T100000Z.pcap"',
    )
    expect(await answer.text()).toBe('vni-7_10.0.0.9 20261120T100000Z.pcap')
  })

  test('gives nothing that is not a finished capture of a session', async () => {
    const directory = captureDirectory(TWO_SESSIONS)
    const outside = join(temporaryDirectory(), '20261120T100000Z.pcap')
    writeFileSync(outside, 'secret')
    symlinkSync(outside, join(directory, 'tms-1', '20261120T090000Z.pcap'))
    mkdirSync(join(directory, 'tms-1', '20261120T080000Z.pcap'))
    const { file } = await served(directory)
    for (const [session, name] of [
      ['..', '20261120T100000Z.pcap'],
      ['tms-1/../vni-7_10.0.0.9', '20261120T100000Z.pcap'],
      ['', 'vni-7_10.0.0.9/20261120T100000Z.pcap'],
      ['tms-1', '../vni-7_10.0.0.9/20261120T100000Z.pcap'],
      ['tms-1', '20261120T130000Z.pcap.part'],
      ['tms-1', 'notes.txt'],
      ['tms-1', '20261120T090000Z.pcap'],
      ['tms-1', '20261120T080000Z.pcap'],
      ['tms-1', '20261120T070000Z.pcap'],
      ['x'.repeat(300), '20261120T070000Z.pcap'],
    ] as const) {
      expect((await file(session, name)).status, `${session} ${name}`).toBe(404)
    }
  })

  test('has a bound of downloads, and room again when a reader leaves', async () => {
    const directory = captureDirectory({ one: [] })
    const name = '20261120T100000Z.pcap'
    writeFileSync(join(directory, 'one', name), Buffer.alloc(BYTES))
    const { url, file } = await served(directory, { downloads: 1 })
    const path = `${url}/captures/file?session=one&name=${name}`
    const reader = get(path)
    await new Promise((resolve) => reader.once('response', resolve))
    expect((await file('one', name)).status).toBe(503)
    reader.destroy()
    await expect.poll(async () => (await fetch(path, { method: 'HEAD' })).status).toBe(200)
    expect((await (await fetch(path)).arrayBuffer()).byteLength).toBe(BYTES)
  })
})
