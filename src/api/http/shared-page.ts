import type { Page } from './route.js'

/** A page that is made once for all who ask for it at the same time. */
export function sharedPage(make: () => Promise<Page>): () => Promise<Page> {
  let making: Promise<Page> | undefined
  return () => {
    making ??= make().finally(() => {
      making = undefined
    })
    return making
  }
}
