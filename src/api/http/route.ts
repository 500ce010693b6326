/**
 * A page beside the two services: health, and whatever a browser or a monitor asks for. To add one,
 * put a row into the table that the server is started with.
 */
export interface Route {
  /** `/health`. Answers GET and HEAD; `/` does so only without a query, behind which EC2's actions are. */
  readonly path: string
  /** Whether it is shown only to those who may call the API. */
  readonly needsKey?: boolean
  answer(): Page | Promise<Page>
}

export interface Page {
  readonly status: number
  readonly contentType: string
  readonly body: string | Buffer
}

export function routesByPath(routes: readonly Route[]): Map<string, Route> {
  const byPath = new Map(routes.map((route) => [route.path, route]))
  if (byPath.size < routes.length) throw new Error('two routes have the same path')
  return byPath
}
