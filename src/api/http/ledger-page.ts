import type { LedgerReport } from '../../session/ledger.js'
import type { Route } from './route.js'
import { sharedPage } from './shared-page.js'

/** The ledger as it stands, as `--stats` writes it. */
export function ledgerPage(report: () => Promise<LedgerReport>): Route {
  return {
    path: '/ledger',
    needsKey: true,
    answer: sharedPage(async () => {
      const text = `${JSON.stringify(await report(), null, 2)}\n`
      return { status: 200, contentType: 'application/json', body: Buffer.from(text) }
    }),
  }
}
