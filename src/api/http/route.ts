import type { Writable } from 'node:stream'
import type { RequestHead } from '../../aws/protocol/request.js'

/**
 * A page beside the two services: health, and whatever a browser or a monitor asks for. To add one,
 * put a row into the table that the server is started with.
 */
export interface Route {
  /** `/health`. `/` is answered only without a query, after which EC2's actions are. */
  readonly path: string
  /** GET, and with it HEAD, unless it says POST, which then has no body. */
  readonly method?: 'GET' | 'POST'
  /** Whether it is shown only to those who may call the API. */
  readonly needsKey?: boolean
  answer(head: RequestHead): Page | EndlessPage | Promise<Page | EndlessPage>
}

interface PageHead {
  readonly status: number
  readonly contentType: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Page extends PageHead {
  readonly body: string | Buffer
}

/** A page that goes on until the reader leaves or the server closes. */
export interface EndlessPage extends PageHead {
  /** Takes what is sent; whoever writes looks at `writableLength` and at whether it is destroyed. */
  send(to: Writable): void
}

export function routesByPath(routes: readonly Route[]): Map<string, Route> {
  const byPath = new Map(routes.map((route) => [route.path, route]))
  if (byPath.size < routes.length) throw new Error('two routes have the same path')
  return byPath
}
