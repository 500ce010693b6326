/*
 * The dashboard: what the appliance tells once a second, as text and pictures. Names come from packets,
 * files and clients: they become text, never markup.
 */
import { askForPackets, showCaptures } from './captures.js'
import { drawSparkline, newSparkline, scaled, TrafficChart } from './charts.js'
import { startFlowCaptures } from './flow-captures.js'
import { showTalkers } from './talkers.js'

const element = (id) => document.getElementById(id)
const TOKEN = 'mirrortap-token'
const HISTORY = 300
const SPARKLINE = 60
/** As in the style sheet; rows that cannot be seen are not made. */
const ROW_PIXELS = 32

// Signing in

/** Whether the token is good; it stays in this tab, so that a restarted appliance needs no new link. */
async function signIn(token) {
  const { ok } = await fetch('/sign-in', {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
  })
  if (ok) sessionStorage.setItem(TOKEN, token)
  else sessionStorage.removeItem(TOKEN)
  return ok
}

/** The token of a key, which the server makes in the same way. */
async function tokenOf(secret) {
  const bytes = new TextEncoder()
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', bytes.encode(secret), algorithm, false, ['sign'])
  const mac = await crypto.subtle.sign('HMAC', key, bytes.encode('mirrortap dashboard'))
  return btoa(String.fromCharCode(...new Uint8Array(mac)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

function askToSignIn() {
  element('main').hidden = true
  element('sign-in').hidden = false
  element('sign-out').hidden = true
  showConnection('', 'Not signed in')
  // Browsers sign nothing for pages that came over plain HTTP from another host.
  if (globalThis.crypto?.subtle === undefined) element('sign-in-form').hidden = true
}

element('sign-in-form').addEventListener('submit', async (event) => {
  event.preventDefault()
  const form = event.target
  const problem = element('sign-in-problem')
  problem.hidden = await signIn(await tokenOf(form.elements.secret.value.trim()))
  problem.textContent = 'No access key of this appliance has that secret.'
  if (!problem.hidden) return
  form.reset()
  begin()
})

element('sign-out').addEventListener('click', async () => {
  sessionStorage.removeItem(TOKEN)
  events?.close()
  await fetch('/sign-out', { method: 'POST' })
  askToSignIn()
})

// What comes

let events
let state
const sessions = new Map()
const rates = new Map()
let traffic = [[], [], [], []]
let previous

function begin() {
  events?.close()
  events = new EventSource('/events')
  events.addEventListener('open', () => {
    element('sign-in').hidden = true
    if (!element('main').hidden) return
    element('main').hidden = false
    element('sign-out').hidden = sessionStorage.getItem(TOKEN) === null
    chart ??= new TrafficChart(element('traffic'))
    startFlowCaptures()
  })
  events.addEventListener('history', ({ data }) => takeHistory(JSON.parse(data)))
  events.addEventListener('state', ({ data }) => takeState(JSON.parse(data)))
  events.addEventListener('talkers', ({ data }) => showTalkers(JSON.parse(data)))
  events.addEventListener('error', async () => {
    showConnection('failing', 'No answer; trying again')
    // A browser tries again by itself where nobody answers, not where it is refused.
    if (events.readyState !== EventSource.CLOSED) return
    const token = sessionStorage.getItem(TOKEN)
    const refused = await fetch('/events', { method: 'HEAD' }).then(
      ({ status }) => status === 401 || status === 403,
      () => false,
    )
    if (!refused) setTimeout(begin, 3000)
    else if (token !== null && (await signIn(token))) begin()
    else askToSignIn()
  })
}

let chart

function takeHistory({ rows }) {
  traffic = [[], [], [], []]
  previous = undefined
  for (const [at, received, kernelLost, bytes] of rows)
    addPoint({ at, received, kernelLost, bytes })
  chart?.show(traffic)
}

/** Rates from two readings; a counter that falls is that of an appliance started anew. */
function addPoint(point) {
  if (previous !== undefined && point.at > previous.at) {
    const seconds = (point.at - previous.at) / 1000
    const rate = (name) => Math.max(0, point[name] - previous[name]) / seconds
    const values = [point.at / 1000, rate('received'), rate('kernelLost'), rate('bytes') * 8]
    for (const [index, column] of traffic.entries()) {
      column.push(values[index])
      if (column.length > HISTORY) column.shift()
    }
  }
  previous = point
}

function takeState(now) {
  const { ledger, all, fields, sessions: rows, gone = [] } = now
  showHealth(now)
  showHost(now)
  showDeliveries(now)
  showCaptures(now.keepsCaptures)
  if (ledger === undefined) return
  const seconds = state === undefined ? 0 : (now.at - state.at) / 1000
  state = now
  const { received, kernelLost } = ledger
  addPoint({ at: now.at, received, kernelLost: kernelLost ?? 0, bytes: ledger.totals.bytes })
  chart.show(traffic)
  if (all) sessions.clear()
  for (const name of gone) {
    sessions.delete(name)
    rates.delete(name)
  }
  const changed = new Set()
  for (const row of rows) {
    const session = Object.fromEntries(fields.map((field, index) => [field, row[index]]))
    const name = String(session.session)
    const before = sessions.get(name)
    const grown = seconds > 0 && before !== undefined ? session.received - before.received : 0
    session.rate = seconds > 0 ? Math.max(0, grown) / seconds : 0
    sessions.set(name, session)
    changed.add(name)
  }
  for (const [name, session] of sessions) {
    if (!changed.has(name)) session.rate = 0
    const line = rates.get(name) ?? []
    line.push(session.rate)
    if (line.length > SPARKLINE) line.shift()
    rates.set(name, line)
  }
  showTiles(ledger)
  showLedger(ledger)
  sortSessions()
}

// The top of the page

function showConnection(className, text) {
  element('connection').className = className
  element('connection-text').textContent = text
}

function showHealth({ failures }) {
  const isWell = failures.length === 0
  showConnection(isWell ? 'live' : 'failing', isWell ? `Receiving on ${location.host}` : 'Failing')
  document.title = isWell ? 'mirrortap' : '⚠ mirrortap'
  replaceTexts(element('failures'), 'li', failures)
}

/** Told again only where it is another: a screen reader reads what changes. */
function replaceTexts(list, tag, texts) {
  if (texts.join('\n') === [...list.children].map((child) => child.textContent).join('\n')) return
  list.replaceChildren(
    ...texts.map((text) => {
      const child = document.createElement(tag)
      child.textContent = text
      return child
    }),
  )
}

function showTiles(ledger) {
  const { flows, totals, kernelLost, evictedSessions } = ledger
  const rate = traffic[1].at(-1)
  const bits = traffic[3].at(-1)
  const captureLost = totals.captureLost
  const tiles = [
    [
      'Packets',
      rate === undefined ? '–' : scaled(rate, '/s'),
      `${count(ledger.received)} received`,
    ],
    [
      'Mirrored',
      bits === undefined ? '–' : scaled(bits, 'bit/s'),
      scaled(totals.bytes, 'B in all'),
    ],
    kernelLost === null
      ? ['Lost by the kernel', 'unknown', 'this system does not tell']
      : [
          'Lost by the kernel',
          count(kernelLost),
          share(kernelLost, ledger.received + kernelLost),
          kernelLost > 0,
        ],
    ['Missing in captures', count(captureLost), reasons(ledger.captureLosses), captureLost > 0],
    [
      'Sessions',
      count(sessions.size),
      evictedSessions.sessions > 0 ? `${count(evictedSessions.sessions)} evicted` : 'open',
    ],
    [
      'Flow table',
      flows.capacity === 0 ? '–' : `${((100 * flows.live) / flows.capacity).toFixed(1)} %`,
      flows.inEmergency
        ? 'emergency: flows end early'
        : `${count(flows.live)} of ${count(flows.capacity)}`,
      flows.inEmergency,
    ],
    [
      'Flow log records',
      count(flows.recordsWritten),
      `${count(flows.recordsLost)} lost`,
      flows.recordsLost > 0,
    ],
  ]
  const list = element('tiles')
  while (list.children.length < tiles.length) {
    const tile = document.createElement('div')
    tile.append(document.createElement('dt'), document.createElement('dd'))
    tile.lastChild.append('', document.createElement('small'))
    list.append(tile)
  }
  for (const [index, [name, value, more, isBad = false]] of tiles.entries()) {
    const tile = list.children[index]
    const [dt, dd] = tile.children
    tile.classList.toggle('bad', isBad)
    dt.textContent = name
    if (dd.firstChild.nodeValue !== value) dd.firstChild.nodeValue = value
    dd.lastChild.textContent = more
  }
}

const numbers = new Intl.NumberFormat()

function count(value) {
  return numbers.format(value)
}

function share(part, whole) {
  if (part === 0) return 'none'
  const percent = (100 * part) / whole
  return percent < 0.01 ? 'under 0.01 %' : `${percent.toFixed(2)} %`
}

function reasons(losses) {
  const [first] = Object.entries(losses).sort((one, other) => other[1] - one[1])
  return first === undefined ? 'none' : `mostly ${words(first[0])}`
}

/** `noRoomInPool` as `no room in pool`. */
function words(name) {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replaceAll('-', ' ')
}

function showLedger(ledger) {
  const faults = Object.entries(ledger.malformed).map(([name, packets]) => [
    `Malformed: ${words(name)}`,
    packets,
    'other',
  ])
  const rows = [
    ['Accepted', ledger.accepted, 'kept'],
    ['Filtered', ledger.filtered, 'aside'],
    ['Unknown session', ledger.unknownSession, 'other'],
    ['Duplicate', ledger.duplicate, 'aside'],
    ...faults,
    ['Lost when a thread crashed', ledger.crashLost, 'lost'],
    ['Lost by the kernel, before it was received', ledger.kernelLost ?? 0, 'lost'],
  ]
  const whole = rows.reduce((sum, [, packets]) => sum + packets, 0)
  const shown = rows.filter(([name, packets]) => packets > 0 || name === 'Accepted')
  const bar = element('ledger-bar')
  bar.replaceChildren(
    ...shown.map(([, packets, kind]) => {
      const part = document.createElement('i')
      part.className = kind
      part.style.flex = whole === 0 ? '0' : String(packets / whole)
      return part
    }),
  )
  element('ledger').tBodies[0].replaceChildren(
    ...shown.map(([name, packets, kind]) => {
      const tr = document.createElement('tr')
      if (kind === 'lost') tr.className = 'bad'
      const mark = document.createElement('i')
      mark.className = kind
      const first = tr.insertCell()
      first.append(mark, name)
      number(tr.insertCell(), count(packets))
      number(tr.insertCell(), whole === 0 ? '' : share(packets, whole))
      return tr
    }),
  )
}

function number(cell, text) {
  cell.className = 'n'
  cell.textContent = text
}

// Sessions

/** `wide`: left out where there is no room. */
const COLUMNS = [
  { key: 'session', head: 'Session', className: 'name' },
  { key: 'source', head: 'Source', className: 'address wide' },
  { key: 'vni', head: 'VNI', className: 'n wide' },
  { key: 'rate', head: 'Packets/s', className: 'n', text: ({ rate }) => scaled(Math.round(rate)) },
  { key: undefined, head: 'Last minute', className: '' },
  { key: 'received', head: 'Received', className: 'n', text: ({ received }) => count(received) },
  { key: 'bytes', head: 'Bytes', className: 'n wide', text: ({ bytes }) => scaled(bytes, 'B') },
  { key: 'cut', head: 'Cut', className: 'n wide', text: ({ cut }) => count(cut) },
  {
    key: 'malformed',
    head: 'Malformed',
    className: 'n wide',
    text: ({ malformed }) => count(malformed),
  },
  {
    key: 'captureLost',
    head: 'Capture lost',
    className: 'n',
    text: ({ captureLost }) => count(captureLost),
  },
]

let order = []
let sortedBy = { key: 'rate', direction: 'descending' }
/** Made once: `localeCompare` would make one for each comparison. */
const byText = new Intl.Collator(undefined, { numeric: true }).compare
const scroll = element('session-scroll')
const body = element('session-table').tBodies[0]

element('session-table').tHead.rows[0].replaceChildren(
  ...COLUMNS.map(({ key, head, className }) => {
    const th = document.createElement('th')
    th.scope = 'col'
    th.className = className === 'name' ? '' : className.replace('address', '').trim()
    if (key === undefined) {
      th.textContent = head
      return th
    }
    const button = document.createElement('button')
    button.type = 'button'
    button.textContent = head
    button.addEventListener('click', () => {
      const isText = key === 'session' || key === 'source'
      const usual = isText ? 'ascending' : 'descending'
      const turned = sortedBy.direction === 'ascending' ? 'descending' : 'ascending'
      sortedBy = { key, direction: sortedBy.key === key ? turned : usual }
      sortSessions()
    })
    th.append(button)
    th.dataset.key = key
    return th
  }),
)

function sortSessions() {
  const { key, direction } = sortedBy
  const wanted = element('session-find').value.trim().toLowerCase()
  const sign = direction === 'ascending' ? 1 : -1
  const compare = (one, other) => {
    const [a, b] = [one[key], other[key]]
    if (a === b) return byText(one.session, other.session)
    if (a === null || b === null) return a === null ? 1 : -1
    return sign * (typeof a === 'string' ? byText(a, b) : a - b)
  }
  order = [...sessions.values()]
    .filter(({ session, vni, source }) =>
      `${session} ${vni} ${source}`.toLowerCase().includes(wanted),
    )
    .sort(compare)
  for (const th of element('session-table').tHead.rows[0].cells) {
    if (th.dataset.key === key) th.ariaSort = direction
    else th.ariaSort = null
  }
  element('session-count').textContent =
    order.length === sessions.size
      ? `(${count(sessions.size)})`
      : `(${count(order.length)} of ${count(sessions.size)})`
  element('no-sessions').hidden = sessions.size > 0
  scroll.hidden = sessions.size === 0
  showRows()
}

/** Only the rows that can be seen: their number does not depend on that of the sessions. */
function showRows() {
  const first = Math.max(0, Math.floor(scroll.scrollTop / ROW_PIXELS) - 4)
  const last = Math.min(order.length, first + Math.ceil(scroll.clientHeight / ROW_PIXELS) + 8)
  element('session-table').setAttribute('aria-rowcount', String(order.length + 1))
  while (body.rows.length > last - first + 2) body.deleteRow(-1)
  while (body.rows.length < last - first + 2) body.append(newRow())
  space(body.rows[0], first)
  space(body.rows[last - first + 1], order.length - last)
  for (let index = first; index < last; index++) fill(body.rows[index - first + 1], index)
}

function newRow() {
  const tr = document.createElement('tr')
  for (const { key, className } of COLUMNS) {
    const cell = tr.insertCell()
    cell.className = className
    if (key === undefined) cell.append(newSparkline())
  }
  return tr
}

/** A row as high as those that are not made. */
function space(tr, rows) {
  tr.className = 'space'
  tr.ariaHidden = 'true'
  for (const cell of tr.cells) {
    cell.hidden = cell.cellIndex > 0
    cell.style.height = `${rows * ROW_PIXELS}px`
    if (cell.firstChild?.nodeName === '#text') cell.textContent = ''
  }
}

function fill(tr, index) {
  const session = order[index]
  tr.className = ''
  tr.ariaHidden = null
  tr.setAttribute('aria-rowindex', String(index + 2))
  for (const [place, { key, text }] of COLUMNS.entries()) {
    const cell = tr.cells[place]
    cell.hidden = false
    cell.style.height = ''
    if (key === undefined) {
      drawSparkline(cell.firstChild, rates.get(String(session.session)) ?? [])
      continue
    }
    const shown = text === undefined ? String(session[key] ?? '–') : text(session)
    if (cell.textContent !== shown) cell.textContent = shown
    if (key === 'session') cell.title = shown
    cell.classList.toggle('bad', key === 'captureLost' && session.captureLost > 0)
  }
}

scroll.addEventListener('scroll', () => requestAnimationFrame(showRows), { passive: true })
element('session-find').addEventListener('input', sortSessions)

for (const button of document.querySelectorAll('[data-unit]')) {
  button.addEventListener('click', () => {
    for (const other of document.querySelectorAll('[data-unit]')) {
      other.ariaPressed = String(other === button)
    }
    chart.unit = button.dataset.unit
  })
}

// Destinations, disks and threads

function table(place, heads, rows, empty) {
  if (rows.length === 0) {
    replaceTexts(place, 'p', [empty])
    place.firstChild.className = 'empty'
    return
  }
  const made = document.createElement('table')
  made.className = 'small'
  const head = made.createTHead().insertRow()
  for (const { text, className = '' } of heads) {
    const th = document.createElement('th')
    th.scope = 'col'
    th.textContent = text
    th.className = className
    head.append(th)
  }
  const tbody = made.createTBody()
  for (const cells of rows) {
    const tr = tbody.insertRow()
    for (const [index, value] of cells.entries()) {
      const cell = tr.insertCell()
      cell.textContent = value.text ?? value
      cell.className = `${heads[index].className ?? ''} ${value.className ?? ''}`.trim()
    }
  }
  place.replaceChildren(made)
}

function showDeliveries({ deliveries, at }) {
  table(
    element('deliveries'),
    [
      { text: 'Destination', className: 'address' },
      { text: 'Waiting', className: 'n' },
      { text: 'Oldest', className: 'n' },
      { text: 'Delivered', className: 'n' },
      { text: 'Last attempt' },
    ],
    deliveries.map((delivery) => [
      { text: delivery.destination, className: delivery.error === undefined ? '' : 'bad' },
      `${count(delivery.waitingFiles)} files, ${scaled(delivery.waitingBytes, 'B')}`,
      delivery.oldest === undefined ? '–' : `${count(Math.round((at - delivery.oldest) / 1000))} s`,
      `${count(delivery.deliveredFiles)} files`,
      delivery.error === undefined
        ? 'well'
        : { text: delivery.errorMessage ?? delivery.error, className: 'bad' },
    ]),
    'Nothing is delivered elsewhere: flow logs stay on this host (listen --deliver URL).',
  )
}

function showHost({ workers, spaces }) {
  const threads = workers.map(({ worker, silentMs }) => [
    `Receiving thread ${worker}`,
    silentMs < 3000
      ? 'runs'
      : { text: `silent for ${Math.round(silentMs / 1000)} s`, className: 'bad' },
  ])
  const disks = spaces.map(({ directory, bytes, availableBytes }) => [
    directory,
    {
      text: `${scaled(availableBytes, 'B')} free of ${scaled(bytes, 'B')}`,
      className: availableBytes < bytes / 20 ? 'bad' : '',
    },
  ])
  table(
    element('host'),
    [{ text: 'What' }, { text: 'State' }],
    [...threads, ...disks],
    'Nothing is known yet.',
  )
}

// Begin

const given = location.hash.slice(1)
if (given !== '') history.replaceState(null, '', location.pathname)
// A link of a report asks for packets; any other has a token.
if (given.startsWith('packets?')) askForPackets(new URLSearchParams(given.slice(8)))
else if (given !== '') await signIn(given)
begin()
