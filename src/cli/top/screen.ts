import { styleText } from 'node:util'
import { type Column, fittedTable } from '../../terminal/fitted-table.js'
import { shortened } from '../../terminal/text-width.js'
import { visible } from '../../visible.js'
import type { LiveView, ShownSession } from './live-view.js'

/** `12345678` as `12.3 M`. */
export function scaled(value: number, unit: string): string {
  const steps = ['', 'k', 'M', 'G', 'T']
  let step = 0
  let left = value
  while (left >= 999.5 && step < steps.length - 1) {
    left /= 1000
    step++
  }
  const digits = step === 0 || left >= 100 ? 0 : left >= 10 ? 1 : 2
  return `${left.toFixed(digits)} ${steps[step]}${unit}`
}

const COLUMNS: readonly (Column<ShownSession> & {
  readonly by: (session: ShownSession) => number | string
})[] = [
  {
    name: 'session',
    cell: ({ session }) => String(session),
    min: 12,
    by: ({ session }) => String(session),
  },
  {
    name: 'packets/s',
    cell: ({ packetsPerSecond }) => scaled(packetsPerSecond, ''),
    right: true,
    by: ({ packetsPerSecond }) => packetsPerSecond,
  },
  {
    name: 'received',
    cell: ({ received }) => String(received),
    right: true,
    by: ({ received }) => received,
  },
  {
    name: 'bytes',
    cell: ({ bytes }) => scaled(bytes, 'B'),
    right: true,
    drop: 1,
    by: ({ bytes }) => bytes,
  },
  {
    name: 'captured',
    cell: ({ captured }) => String(captured),
    right: true,
    drop: 2,
    by: ({ captured }) => captured,
  },
  {
    name: 'lost',
    cell: ({ captureLost }) => String(captureLost),
    right: true,
    by: ({ captureLost }) => captureLost,
  },
  {
    name: 'malformed',
    cell: ({ malformed }) => String(malformed),
    right: true,
    drop: 4,
    by: ({ malformed }) => malformed,
  },
  {
    name: 'filtered',
    cell: ({ filtered }) => String(filtered),
    right: true,
    drop: 5,
    by: ({ filtered }) => filtered,
  },
  { name: 'cut', cell: ({ cut }) => String(cut), right: true, drop: 3, by: ({ cut }) => cut },
]
export const SORTS = COLUMNS.map(({ name }) => name)

export interface ScreenSize {
  readonly columns: number
  readonly rows: number
}

export interface Looked {
  /** An index of SORTS. */
  readonly sort: number
  /** Sessions above the first that is shown. */
  readonly from: number
  /** Why there is nothing new. */
  readonly problem: string | undefined
  readonly api: string
}

/** The lines of a screen, as many as it has at most. */
export function screenLines(view: LiveView, look: Looked, { columns, rows }: ScreenSize): string[] {
  const lines = [...summaryLines(view, look), '']
  const sorted = sortedSessions(view, look.sort)
  const room = Math.max(1, rows - lines.length - 2)
  const first = Math.min(look.from, Math.max(0, sorted.length - room))
  const [heading, ...table] = fittedTable(COLUMNS, sorted.slice(first, first + room), columns)
  lines.push(styleText('inverse', heading!.padEnd(columns)))
  lines.push(...table)
  while (lines.length < rows - 1) lines.push('')
  const place =
    sorted.length === 0
      ? 'no sessions'
      : `${first + 1}–${Math.min(sorted.length, first + room)} of ${sorted.length} sessions`
  lines.push(
    styleText('dim', shortened(`q leaves  s sorts (by ${SORTS[look.sort]})  ${place}`, columns)),
  )
  return lines.slice(0, rows)

  function summaryLines(shown: LiveView, { problem, api }: Looked): string[] {
    const cut = (text: string) => shortened(visible(text), columns)
    const bad = (text: string, isBad: boolean) => (isBad ? styleText('red', cut(text)) : cut(text))
    const { state, rates } = shown
    const clock = state === undefined ? '' : `  ${new Date(state.at).toISOString().slice(11, 19)}Z`
    const head = [styleText('bold', cut(`mirrortap ${api}${clock}`))]
    if (problem !== undefined) head.push(bad(problem, true))
    for (const failure of state?.failures ?? []) head.push(bad(failure, true))
    if (state?.ledger === undefined) return head
    const { ledger } = state
    const { flows, totals } = ledger
    const full = flows.capacity === 0 ? 0 : (100 * flows.live) / flows.capacity
    return [
      ...head,
      cut(
        rates === undefined
          ? `${ledger.received} received`
          : `${scaled(rates.packets, 'packets/s')}  ${scaled(rates.bits, 'bit/s')}  ${ledger.received} received`,
      ),
      bad(
        `lost by the kernel: ${ledger.kernelLost ?? 'unknown'}; missing in captures: ${totals.captureLost}; records lost: ${flows.recordsLost}`,
        (ledger.kernelLost ?? 0) + totals.captureLost + flows.recordsLost > 0,
      ),
      cut(whereTheyWent(ledger)),
      bad(
        `flow table: ${flows.live} of ${flows.capacity} (${full.toFixed(1)} %)${flows.inEmergency ? ', emergency: flows end early' : ''}; ${flows.recordsWritten} records written`,
        flows.inEmergency,
      ),
      ...state.deliveries.map(({ destination, waitingFiles, waitingBytes, errorMessage }) =>
        bad(
          `${destination}: ${waitingFiles} files wait (${scaled(waitingBytes, 'B')})${errorMessage === undefined ? '' : `: ${errorMessage}`}`,
          errorMessage !== undefined,
        ),
      ),
    ]
  }
}

function whereTheyWent(ledger: NonNullable<LiveView['state']>['ledger'] & object): string {
  const { accepted, filtered, unknownSession, duplicate, malformed } = ledger
  const faults = Object.values(malformed).reduce((sum, packets) => sum + packets, 0)
  return `${accepted} accepted, ${filtered} filtered, ${unknownSession} unknown session, ${duplicate} duplicate, ${faults} malformed`
}

function sortedSessions({ sessions }: LiveView, sort: number): ShownSession[] {
  const { by } = COLUMNS[sort]!
  return [...sessions.values()].sort((one, other) => {
    const [a, b] = [by(one), by(other)]
    // Numbers from the largest, names from the first.
    if (typeof a === 'string' || typeof b === 'string') return String(a).localeCompare(String(b))
    return b - a || String(one.session).localeCompare(String(other.session))
  })
}

/** What stands for a state where there is no terminal. */
export function plainLine({ state, rates, sessions }: LiveView): string | undefined {
  if (state?.ledger === undefined || rates === undefined) return undefined
  const { ledger } = state
  const failing = state.failures.map((failure) => `; ${failure}`).join('')
  return (
    `${new Date(state.at).toISOString()} ${Math.round(rates.packets)} packets/s ${Math.round(rates.bits)} bit/s ` +
    `${ledger.received} received, ${ledger.kernelLost ?? 'unknown'} lost by the kernel, ` +
    `${ledger.totals.captureLost} missing in captures, ${sessions.size} sessions, ${ledger.flows.live} connections${failing}`
  )
}
