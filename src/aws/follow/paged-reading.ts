import type { Filter } from '@aws-sdk/client-ec2'
import { z } from 'zod'
import { CallFailure, type Ec2Api } from './ec2-client.js'

/** Values that a filter of EC2's may have. */
const VALUES_MAX = 200
/** Entries asked for at a time. */
const PAGE_LEN = 1000
/** AWS's quotas of mirror resources allow at most ten. */
const PAGES_MAX = 100

export interface PageRequest {
  readonly MaxResults: number
  readonly NextToken?: string
  readonly Filters?: Filter[]
}

type Page<List extends string> = { readonly [key in List]?: unknown } & {
  readonly NextToken?: string | undefined
}

/** What one operation of EC2's lists. */
export interface Listing<List extends string, T> {
  /** The member of its replies that has the entries. */
  readonly list: List
  readonly schema: z.ZodType<T>
  readonly ask: (page: PageRequest, options: { abortSignal: AbortSignal }) => Promise<Page<List>>
}

/** Reads lists of EC2, whole. All methods reject with CallFailure or OperatorError. */
export class PagedReading {
  readonly #api: Ec2Api
  readonly #signal: AbortSignal
  readonly #pageLen: number

  constructor(api: Ec2Api, signal: AbortSignal, pageLen = PAGE_LEN) {
    this.#api = api
    this.#signal = signal
    this.#pageLen = pageLen
  }

  /** The entries for which one of the values is that of the filter `name`, in as many calls as that takes. */
  async by<List extends string, T>(
    name: string,
    values: Iterable<string | undefined>,
    listing: Listing<List, T>,
  ): Promise<T[]> {
    const all = [...new Set(values)].filter((value) => value !== undefined)
    const found: T[] = []
    for (let at = 0; at < all.length; at += VALUES_MAX) {
      const filter = { Name: name, Values: all.slice(at, at + VALUES_MAX) }
      found.push(...(await this.#all(filter, listing)))
    }
    return found
  }

  async #all<List extends string, T>(
    filter: Filter,
    { list, schema, ask }: Listing<List, T>,
  ): Promise<T[]> {
    const { name } = this.#api
    const entries: T[] = []
    let token: string | undefined
    for (let page = 0; page < PAGES_MAX; page++) {
      const next = token === undefined ? {} : { NextToken: token }
      const request = { MaxResults: this.#pageLen, ...next, Filters: [filter] }
      const reply = await this.#api.ask(this.#signal, (options) => ask(request, options))
      const read = z.array(schema).safeParse(reply[list] ?? [])
      if (!read.success) {
        const { path, message } = read.error.issues[0]!
        const [index, ...members] = path
        throw new CallFailure(
          `${name} does not answer as EC2 does: ${list}[${String(index)}].${members.join('.')}: ${message}`,
        )
      }
      entries.push(...read.data)
      token = reply.NextToken || undefined
      if (token === undefined) return entries
    }
    throw new CallFailure(`${name} gives page after page of ${list}, without an end`)
  }
}
