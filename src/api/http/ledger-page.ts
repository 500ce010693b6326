import type { LedgerReport } from '../../session/ledger.js'
import type { Page, Route } from './route.js'

/** The ledger as it stands, as `--stats` writes it. Those who ask while one is made share it. */
export function ledgerPage(report: () => Promise<LedgerReport>): Route {
  let making: Promise<Page> | undefined
  const make = async (): Promise<Page> => {
    const text = `${JSON.stringify(await report(), null, 2)}\n`
    return { status: 200, contentType: 'application/json', body: Buffer.from(text) }
  }
  return {
    path: '/ledger',
    needsKey: true,
    answer: () => {
      making ??= make().finally(() => {
        making = undefined
      })
      return making
    },
  }
}
