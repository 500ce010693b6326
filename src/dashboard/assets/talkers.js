/* Who sends and receives most just now. Rows are filled anew in their place, so that a focus in them stays. */
import { packetsLink } from './captures.js'
import { scaled } from './charts.js'

const element = (id) => document.getElementById(id)
const body = element('talkers-now').tBodies[0]
const scroll = element('talkers-scroll')

const bits = (bytes) => scaled(bytes * 8, 'bit/s')

function newRow() {
  const tr = document.createElement('tr')
  for (const className of ['address host', 'bars wide', 'n', 'n', 'n wide', 'name wide', 'act']) {
    tr.insertCell().className = className
  }
  tr.cells[1].append(document.createElement('i'), document.createElement('i'))
  tr.cells[1].ariaHidden = 'true'
  return tr
}

function setText(cell, text) {
  if (cell.textContent !== text) cell.textContent = text
}

function fill(tr, { address, name, session, sentBytes, receivedBytes, connections }, most) {
  const [who, bars, sent, received, count, of, packets] = tr.cells
  const named = who.lastElementChild ?? who.appendChild(document.createElement('small'))
  if (who.firstChild === named) who.prepend('')
  if (who.firstChild.nodeValue !== address) who.firstChild.nodeValue = address
  setText(named, name ?? '')
  who.title = name ?? ''
  const [up, down] = bars.children
  up.style.width = `${(100 * sentBytes) / most}%`
  down.style.width = `${(100 * receivedBytes) / most}%`
  setText(sent, bits(sentBytes))
  setText(received, bits(receivedBytes))
  setText(count, connections.toLocaleString())
  setText(of, session ?? '–')
  of.title = session ?? ''
  const key = `${address} ${session}`
  // Until it is known whether captures are kept there is no link.
  if (tr.dataset.key === key && packets.firstElementChild !== null) return
  tr.dataset.key = key
  const link = packetsLink(address, {
    filter: `host ${address}`,
    session: session ?? undefined,
    since: '1m ago',
  })
  packets.replaceChildren(link)
}

export function showTalkers({ rows, addresses }) {
  const most = Math.max(1, ...rows.flatMap((row) => [row.sentBytes, row.receivedBytes]))
  while (body.rows.length > rows.length) body.deleteRow(-1)
  while (body.rows.length < rows.length) body.append(newRow())
  for (const [index, row] of rows.entries()) fill(body.rows[index], row, most)
  scroll.hidden = rows.length === 0
  element('no-talkers').hidden = rows.length > 0
  element('no-talkers').textContent = 'Nobody has sent anything in the last seconds.'
  const more = addresses > rows.length ? `${rows.length} of ${addresses.toLocaleString()}` : ''
  element('talkers-count').textContent = more === '' ? '' : `(${more} addresses)`
}
