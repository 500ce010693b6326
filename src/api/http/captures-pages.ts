import type { FileHandle } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { CaptureList } from '../../appliance/capture-list.js'
import { Disk } from '../../sink/disk.js'
import { attachment } from './attachment.js'
import type { Page, Route } from './route.js'

export interface CapturesPagesOptions {
  /** The capture directory. */
  readonly directory: string
  readonly limits?: Partial<CapturesLimits>
}

export interface CapturesLimits {
  /** Listings and downloads at a time. */
  readonly listings: number
  readonly downloads: number
}

const LIMITS: CapturesLimits = { listings: 4, downloads: 8 }

/** Captures of one listing. */
const COUNT_MAX = 1000
const COUNT_USUAL = 100
/** Longer than any name. */
const TEXT_MAX = 1024

const PIECE_BYTES = 256 * 1024

/**
 * `GET /captures?session=vni-7_10.0.0.9&count=100`: finished captures as JSON, newest first, and
 * `GET /captures/file?session=…&name=…`: one of them, as it is.
 */
export function capturesPages({ directory, limits = {} }: CapturesPagesOptions): Route[] {
  const { listings, downloads } = { ...LIMITS, ...limits }
  const disk = new Disk()
  const list = new CaptureList(directory, disk)
  let listing = 0
  let downloading = 0
  return [
    {
      path: '/captures',
      needsKey: true,
      answer: async ({ query }) => {
        const fields = fieldsOf(query, ['session', 'before', 'count'])
        if (typeof fields === 'string') return problem(400, fields)
        const { session, before, count = String(COUNT_USUAL) } = fields
        if (!/^\d{1,4}$/.test(count) || Number(count) < 1 || Number(count) > COUNT_MAX) {
          return problem(400, `count is a number from 1 to ${COUNT_MAX}`)
        }
        if (listing >= listings)
          return problem(503, `${listings} listings are being made; try again`)
        listing++
        try {
          const found = await list.list({ session, before, count: Number(count) })
          const headers = { 'Cache-Control': 'no-store' }
          const body = Buffer.from(JSON.stringify(found))
          return { status: 200, contentType: 'application/json', headers, body }
        } catch (error) {
          return problem(500, `captures cannot be listed: ${(error as Error).message}`)
        } finally {
          listing--
        }
      },
    },
    {
      path: '/captures/file',
      needsKey: true,
      answer: async ({ query, method }) => {
        const fields = fieldsOf(query, ['session', 'name'])
        if (typeof fields === 'string') return problem(400, fields)
        const { session = '', name = '' } = fields
        if (downloading >= downloads)
          return problem(503, `${downloads} downloads are under way; try again`)
        downloading++
        const end = (): void => {
          downloading--
        }
        const file = await list.open(session, name).catch((error: Error) => error)
        if (file === undefined || file instanceof Error) {
          end()
          if (file !== undefined) return problem(500, `the capture cannot be read: ${file.message}`)
          return problem(404, 'there is no finished capture of that session and name')
        }
        const { size } = await file.stat()
        const head = {
          ...CAPTURE,
          headers: { ...attachment(`${session}_${name}`), 'Content-Length': String(size) },
        }
        if (method === 'HEAD') {
          await file.close().finally(end)
          return { ...head, send: () => undefined }
        }
        return { ...head, send: (to) => void send(file, size, to, disk).finally(end) }
      },
    },
  ]
}

const CAPTURE = { status: 200, contentType: 'application/vnd.tcpdump.pcap' } as const

function problem(status: number, line: string): Page {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${line}\n` }
}

/** A line where the query says something else, or too much. */
function fieldsOf<Name extends string>(
  query: string,
  names: readonly Name[],
): Partial<Record<Name, string>> | string {
  const fields: Partial<Record<Name, string>> = {}
  for (const [name, value] of new URLSearchParams(query)) {
    const known = names.find((one) => one === name)
    if (known === undefined) return `${name} is not known here; known are ${names.join(', ')}`
    if (value.length > TEXT_MAX || value.includes('\0')) return `${name} is not a valid name`
    fields[known] = value
  }
  return fields
}

/** As fast as it is read. A file that turns out shorter ends the connection, so that the reader can tell. */
async function send(file: FileHandle, size: number, to: Writable, disk: Disk): Promise<void> {
  const piece = Buffer.allocUnsafe(PIECE_BYTES)
  const left = new Promise<never>((_, reject) => {
    to.once('close', () => reject(new Error('the reader has gone')))
  })
  left.catch(() => undefined)
  let sent = 0
  try {
    while (sent < size) {
      const wanted = Math.min(PIECE_BYTES, size - sent)
      const { bytesRead } = await disk.run(() => file.read(piece, 0, wanted, sent))
      if (bytesRead === 0) break
      const written = new Promise<void>((resolve, reject) => {
        to.write(piece.subarray(0, bytesRead), (error) => (error ? reject(error) : resolve()))
      })
      await Promise.race([written, left])
      sent += bytesRead
    }
  } catch {
    // Of a reader that has gone, or a disk that fails, nothing more can be said in this reply.
  }
  if (sent === size) to.end()
  else to.destroy()
  await file.close().catch(() => undefined)
}
