import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import type { RequestHead } from '../../aws/protocol/request.js'
import { attachment } from './attachment.js'
import type { EndlessPage, Page, Route } from './route.js'

export interface FindPageOptions {
  /** The program that has the command `find`, with what goes before that. */
  readonly program: readonly [string, ...string[]]
  /** The capture directory. */
  readonly directory: string
  readonly limits?: Partial<FindLimits>
}

export interface FindLimits {
  /** Searches at a time. */
  readonly searches: number
  /** Of one answer. */
  readonly bytes: number
  /** That one search may take, its reader's time included. */
  readonly seconds: number
}

const LIMITS: FindLimits = { searches: 2, bytes: 1024 ** 3, seconds: 300 }

/** A search is in nobody's way: receiving comes first. */
const NICENESS = 15
/** Of what a search says of its end. */
const SAID_MAX = 4096

/** What a request may say, and the option of `find` that it becomes. */
const PARAMETERS: Readonly<Record<string, string>> = {
  since: '--since',
  until: '--until',
  session: '--session',
  count: '--limit',
}
const FILTER = 'filter'

/** By the exit code of a search that has found nothing to show: nothing to search, and a wrong request. */
const STATUS_OF: ReadonlyMap<number | null, number> = new Map([
  [1, 404],
  [2, 400],
])

type Search = ChildProcessByStdio<null, Readable, Readable>

/**
 * `GET /captures/find?filter=tcp+port+443&since=10m+ago`: the packets as pcapng. Each search is a
 * process of its own, which ends with its reader. An answer that is cut short, by a limit or since
 * the search failed, ends without the end of its last chunk, so that the reader can tell.
 */
export function findPage({ program, directory, limits = {} }: FindPageOptions): Route {
  const { searches, bytes, seconds } = { ...LIMITS, ...limits }
  let running = 0
  return {
    path: '/captures/find',
    needsKey: true,
    answer: async ({ query, method }) => {
      const args = argumentsOf(query)
      if (typeof args === 'string') return problem(400, args)
      if (method === 'HEAD') return { ...CAPTURE, body: '' }
      if (running >= searches) return problem(503, `${searches} searches are running; try again`)
      running++
      const [file, ...before] = program
      const all = [...before, 'find', '--dir', directory, '-w', '-', '--format', 'pcapng', ...args]
      const search: Search = spawn(file, all, { stdio: ['ignore', 'pipe', 'pipe'] })
      let isLate = false
      const timer = setTimeout(() => {
        isLate = true
        search.kill('SIGKILL')
      }, seconds * 1000)
      const end = endOf(search)
      void end.then(() => {
        running--
        clearTimeout(timer)
      })
      giveWay(search)
      const answer = await answerOf(search, end, bytes)
      if (!isLate || 'send' in answer) return answer
      return problem(
        503,
        `nothing was found within ${seconds} seconds; ask for less, by since and until`,
      )
    },
  }
}

const CAPTURE = {
  status: 200,
  contentType: 'application/vnd.tcpdump.pcap',
  headers: attachment('packets.pcapng'),
} as const

function problem(status: number, line: string): Page {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${line}\n` }
}

/** The options of `find`; a line where the query says something else. */
function argumentsOf(query: RequestHead['query']): string[] | string {
  const args: string[] = []
  let filter = ''
  for (const [name, value] of new URLSearchParams(query)) {
    if (value.includes('\0')) return `${name} has a zero byte`
    if (name === FILTER) filter = value
    else if (Object.hasOwn(PARAMETERS, name)) args.push(`${PARAMETERS[name]}=${value}`)
    else {
      const known = [FILTER, ...Object.keys(PARAMETERS)].join(', ')
      return `${name} is not known here; known are ${known}`
    }
  }
  // In parentheses no word of it can be taken for an option or a file.
  return filter.trim() === '' ? args : [...args, '--', `(${filter})`]
}

interface End {
  readonly code: number | null
  /** The last line on standard error. */
  readonly said: string
}

function endOf(search: Search): Promise<End> {
  let said = ''
  search.stderr.on('data', (piece: Buffer) => {
    if (said.length < SAID_MAX) said += piece.toString()
  })
  const last = (): string => (said.trim().split('\n').at(-1) ?? '').replace(/^mirrortap: /, '')
  return new Promise((resolve) => {
    search.once('error', ({ message }) => resolve({ code: null, said: message }))
    search.once('close', (code) => resolve({ code, said: last() }))
  })
}

/** Resolves when there is something to show: the beginning of a capture, or why there is none. */
async function answerOf(
  search: Search,
  end: Promise<End>,
  bytes: number,
): Promise<Page | EndlessPage> {
  const begun = new Promise<undefined>((resolve) => {
    search.stdout.once('readable', () => {
      if (search.stdout.readableLength > 0) resolve(undefined)
    })
  })
  const ended = await Promise.race([begun, end])
  if (ended === undefined) return { ...CAPTURE, send: (to) => void send(search, to, bytes, end) }
  return problem(STATUS_OF.get(ended.code) ?? 500, ended.said)
}

async function send(search: Search, to: Writable, bytes: number, end: Promise<End>): Promise<void> {
  let sent = 0
  to.once('close', () => search.kill('SIGKILL'))
  to.on('error', () => search.kill('SIGKILL'))
  search.stdout.on('data', (piece: Buffer) => {
    sent += piece.length
    if (sent > bytes) {
      search.kill('SIGKILL')
      to.destroy()
    } else if (!to.write(piece)) {
      search.stdout.pause()
      to.once('drain', () => search.stdout.resume())
    }
  })
  search.stdout.resume()
  const { code } = await end
  if (code === 0) to.end()
  else to.destroy()
}

function giveWay({ pid }: Search): void {
  try {
    if (pid !== undefined) setPriority(pid, NICENESS)
  } catch {
    // It has ended already, or must not be slowed down; it is bounded all the same.
  }
}
