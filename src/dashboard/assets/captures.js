/*
 * Capture files and packets in them: links that the browser saves, with the cookie of the page. What a
 * listing holds becomes text, never markup.
 */
import { scaled } from './charts.js'

const COUNT = 50

const element = (id) => document.getElementById(id)
const form = element('packets')
const rows = element('captures').tBodies[0]
const problem = element('captures-problem')

/** Whether files are kept at all, which the feed tells. */
let isKept = false
let next
/** A link asks for packets, and the page is to show where they are found. */
let isAsked = false

/** `/captures/find` with what is given of a filter, a session and times in seconds. */
function packetsPath(fields) {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && value !== '') query.set(name, value)
  }
  return `/captures/find?${query}`
}

/** A link to packets; nothing where no captures are kept. What cannot be answered is shown in a tab of its own. */
export function packetsLink(about, fields) {
  if (!isKept) return ''
  const link = document.createElement('a')
  link.href = packetsPath(fields)
  link.target = '_blank'
  link.rel = 'noopener'
  link.textContent = 'Packets'
  link.title = fields.filter
  link.ariaLabel = `Packets of ${about}`
  return link
}

function cell(content, className = '') {
  const td = document.createElement('td')
  td.append(content)
  td.className = className
  return td
}

/** `2 h 5 min`, `48 s`. */
function durationText(seconds) {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  const minutes = Math.round(whole / 60)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

function rowOf({ session, name, start, bytes, finishedAt }) {
  const link = document.createElement('a')
  link.href = `/captures/file?${new URLSearchParams({ session, name })}`
  link.download = ''
  link.textContent = 'Download'
  link.ariaLabel = `Download ${name} of ${session}`
  const begun = document.createElement('time')
  begun.dateTime = start
  begun.title = name
  begun.textContent = new Date(start).toLocaleString(undefined, {
    dateStyle: 'short',
    timeStyle: 'medium',
  })
  const tr = document.createElement('tr')
  tr.append(
    cell(begun),
    cell(session, 'name'),
    cell(durationText((finishedAt - Date.parse(start)) / 1000), 'n wide'),
    cell(scaled(bytes, 'B'), 'n'),
    cell(link, 'act'),
  )
  return tr
}

/** The newest, or those after the ones that are shown. */
async function list(isMore) {
  problem.hidden = true
  try {
    const query = new URLSearchParams({ count: COUNT })
    const session = form.elements.session.value
    if (session !== '') query.set('session', session)
    if (isMore) query.set('before', next)
    const response = await fetch(`/captures?${query}`)
    if (!response.ok) throw new Error((await response.text()).trim())
    const listing = await response.json()
    const made = listing.captures.map(rowOf)
    if (isMore) rows.append(...made)
    else rows.replaceChildren(...made)
    next = listing.next
    showSessions(listing.sessions)
    element('captures-more').hidden = next === undefined
    element('captures-scroll').hidden = rows.rows.length === 0
    element('no-captures').hidden = rows.rows.length > 0
  } catch (error) {
    problem.textContent = error.message
    problem.hidden = false
  }
}

function showSessions(names) {
  const select = form.elements.session
  const chosen = select.value
  const all = new Option('all sessions', '')
  select.replaceChildren(all, ...names.map((name) => new Option(name, name)))
  if (chosen !== '' && !names.includes(chosen)) select.append(new Option(chosen, chosen))
  select.value = chosen
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  const { filter, session, since: times } = form.elements
  const [since, until] = times.value.split(' to ')
  const path = packetsPath({ filter: filter.value.trim(), session: session.value, since, until })
  window.open(path, '_blank', 'noopener')
})

/** Fills in what a link of an analysis asks for; whoever follows it starts the search. */
export function askForPackets(query) {
  const { filter, session, since: times } = form.elements
  filter.value = query.get('filter') ?? ''
  const of = query.get('session')
  if (of !== null) session.add(new Option(of, of, true, true))
  const [since, until] = [query.get('since') ?? '', query.get('until') ?? '']
  if (since !== '' || until !== '') {
    const text = [since, until].map((seconds) => new Date(seconds * 1000).toLocaleString())
    times.add(new Option(text.join(' – '), `${since} to ${until}`, true, true))
  }
  isAsked = true
}
form.elements.session.addEventListener('change', () => list(false))
element('captures-refresh').addEventListener('click', () => list(false))
element('captures-more').addEventListener('click', () => list(true))

/** Told with each state; lists when it is known for the first time. */
export function showCaptures(keepsCaptures) {
  if (isKept === keepsCaptures) return
  isKept = keepsCaptures
  element('captures-kept').hidden = !isKept
  element('captures-not-kept').hidden = isKept
  if (isKept) void list(false)
  if (isAsked) {
    element('packets').scrollIntoView()
    form.elements.filter.focus()
  }
}
