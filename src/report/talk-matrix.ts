import type { Conversations } from '../analyze/analysis-report.js'
import { formatOctets } from '../analyze/quantities.js'
import { type Html, html } from './html.js'

/** Steps of colour, by powers of ten below the heaviest cell. */
const HEATS = 6

/** Who sends how much to whom, as a table whose colour shows the order of magnitude. */
export function talkMatrix(
  { addresses, bytes, packets }: Conversations['matrix'],
  names: Readonly<Record<string, string>>,
): Html {
  const titled = (address: string): string =>
    names[address] === undefined ? address : `${names[address]} (${address})`
  const most = Math.max(...bytes.flat())
  const heat = (octets: number): string => {
    if (octets === 0) return ''
    // Half a power of ten each.
    return `h${Math.max(1, HEATS - Math.floor(2 * Math.log10(most / octets)))}`
  }
  const cell = (from: number, to: number): Html => {
    const octets = bytes[from]![to]!
    if (octets === 0) return html`<td></td>`
    const title = `${titled(addresses[from]!)} to ${titled(addresses[to]!)}: ${packets[from]![to]} packets, ${octets} bytes`
    return html`<td class="${heat(octets)}" title="${title}">${formatOctets(octets)}</td>`
  }
  return html`<div class="scroll matrix"><table><thead><tr><th></th>${addresses.map(
    (address, place) => html`<th scope="col" title="${titled(address)}">${place + 1}</th>`,
  )}</tr></thead><tbody>
${addresses.map(
  (address, from) =>
    html`<tr><th scope="row" class="address"><span class="place">${from + 1}</span> ${address} ${names[address] !== undefined && html`<span class="dim">${names[address]}</span>`}</th>${addresses.map(
      (_, to) => cell(from, to),
    )}</tr>\n`,
)}</tbody></table></div>`
}
