import { ApiError } from '../../aws/protocol/action.js'
import { makePageToken, readPageToken } from '../page-token.js'
import type { Parameters } from './parameters.js'

/** Entries of a page where the client does not say. */
const PAGE_LEN = 1000
/** Of all entries of a page as JSON; the answer's XML is a few times as long. One entry is always there. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024

export const PAGE_PARAMETERS = {
  MaxResults: { type: 'integer', min: 5, max: 1000 },
  NextToken: { type: 'string' },
} as const satisfies Parameters

export interface Page<S> {
  /** As `show` shows them. */
  readonly items: readonly S[]
  /** undefined on the last page. */
  readonly nextToken: string | undefined
}

/**
 * One page of `items`, in the order of their keys. A token says which key was last and not how
 * many went before: whatever is made or deleted between two pages, an entry that
 * stays is on exactly one. Throws ApiError for a token that is not one of this question's.
 */
export function pageOf<R, S>(
  items: Iterable<R>,
  keyOf: (item: R) => string,
  show: (item: R) => S,
  { question, maxResults, nextToken }: PageRequest,
): Page<S> {
  const after = nextToken === undefined ? undefined : readToken(question, nextToken)
  const keyed = [...items]
    .map((item) => ({ key: keyOf(item), item }))
    .filter(({ key }) => after === undefined || key > after)
    .sort((a, b) => (a.key < b.key ? -1 : 1))
  const length = Math.min(maxResults ?? PAGE_LEN, PAGE_LEN)
  const page: S[] = []
  let bytes = 0
  for (const { item } of keyed.slice(0, length)) {
    const shown = show(item)
    bytes += JSON.stringify(shown).length
    if (page.length > 0 && bytes > PAGE_BYTES_MAX) break
    page.push(shown)
  }
  const last = keyed[page.length - 1]
  const hasMore = keyed.length > page.length && last !== undefined
  return {
    items: page,
    nextToken: hasMore ? makePageToken(question, last.key) : undefined,
  }
}

interface PageRequest {
  /** Operation and filters, as text. */
  readonly question: string
  readonly maxResults: number | undefined
  readonly nextToken: string | undefined
}

function readToken(question: string, token: string): string {
  const after = readPageToken(question, token)
  if (after !== undefined) return after
  throw new ApiError('InvalidNextToken', 'The token is not valid for this request')
}
