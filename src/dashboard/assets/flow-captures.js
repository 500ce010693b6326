/*
 * Flow captures: the page calls the API of Network Firewall, as any client does, with its cookie in
 * place of a signature. Whatever a reply holds becomes text, never markup.
 */
import { packetsLink } from './captures.js'
import { scaled } from './charts.js'

const ROWS_SHOWN = 500
const ASK_EVERY_MS = 400

const element = (id) => document.getElementById(id)
const form = element('flow-capture')
const status = element('flow-status')
/** Those with ports. */
const KEYWORDS = { 6: 'tcp', 17: 'udp', 132: 'sctp' }
const PROTOCOLS = { 1: 'ICMP', 6: 'TCP', 17: 'UDP', 58: 'ICMPv6', 132: 'SCTP' }

async function call(action, input) {
  const response = await fetch('/', {
    method: 'POST',
    headers: {
      'Content-Type': 'application/x-amz-json-1.0',
      'X-Amz-Target': `NetworkFirewall_20201112.${action}`,
    },
    body: JSON.stringify(input),
  })
  const reply = await response.json()
  if (!response.ok)
    throw new Error(reply.Message ?? reply.message ?? reply.__type ?? response.statusText)
  return reply
}

function cell(content, className = '') {
  const td = document.createElement('td')
  td.append(content)
  td.className = className
  return td
}

function row(...cells) {
  const tr = document.createElement('tr')
  tr.append(...cells)
  return tr
}

/** The sessions to choose from; the whole appliance is the first. */
async function fillSessions() {
  const select = form.elements.firewall
  const chosen = select.value
  const options = []
  for (let token; ; ) {
    const page = await call('ListFirewalls', { NextToken: token })
    for (const { FirewallName, FirewallArn } of page.Firewalls) {
      const name = options.length === 0 ? 'the whole appliance' : FirewallName
      options.push(new Option(name, FirewallArn))
    }
    token = page.NextToken
    if (token === undefined) break
  }
  select.replaceChildren(...options)
  if (options.some(({ value }) => value === chosen)) select.value = chosen
}

function filterOf(fields) {
  const filter = {}
  const address = (name) => fields.get(name).trim()
  if (address('source') !== '') filter.SourceAddress = { AddressDefinition: address('source') }
  if (address('destination') !== '') {
    filter.DestinationAddress = { AddressDefinition: address('destination') }
  }
  if (address('port') !== '') filter.DestinationPort = address('port')
  if (fields.get('protocol') !== '') filter.Protocols = [fields.get('protocol')]
  return filter
}

async function start() {
  const fields = new FormData(form)
  const FirewallArn = fields.get('firewall')
  const filter = filterOf(fields)
  const begun = await call('StartFlowCapture', {
    FirewallArn,
    MinimumFlowAgeInSeconds: Number(fields.get('age')),
    FlowFilters: Object.keys(filter).length === 0 ? [] : [filter],
  })
  await show(FirewallArn, begun.FlowOperationId)
}

/** Waits for an operation and shows its rows. */
async function show(FirewallArn, FlowOperationId) {
  let operation
  do {
    if (operation !== undefined) await new Promise((done) => setTimeout(done, ASK_EVERY_MS))
    operation = await call('DescribeFlowOperation', { FirewallArn, FlowOperationId })
    status.textContent = 'Capturing flows…'
  } while (operation.FlowOperationStatus === 'IN_PROGRESS')
  const flows = []
  let token
  do {
    const page = await call('ListFlowOperationResults', {
      FirewallArn,
      FlowOperationId,
      NextToken: token,
    })
    flows.push(...page.Flows)
    token = page.NextToken
  } while (token !== undefined && flows.length < 100 * ROWS_SHOWN)
  const at = new Date(operation.FlowRequestTimestamp * 1000).toLocaleTimeString()
  const why = operation.StatusMessage === undefined ? '' : `: ${operation.StatusMessage}`
  const cut = flows.length > ROWS_SHOWN ? `; the ${ROWS_SHOWN} with the most bytes are shown` : ''
  status.textContent = `${flows.length} flows at ${at}${cut}${why}`
  const { selectedIndex, selectedOptions } = form.elements.firewall
  const session = selectedIndex > 0 ? selectedOptions[0].text : undefined
  showFlows(flows, operation.FlowRequestTimestamp, session)
  await listOperations(FirewallArn, FlowOperationId)
}

/** A pcap-filter(7) expression of a flow and the one that answers it. */
function filterOfFlow({
  SourceAddress,
  DestinationAddress,
  SourcePort,
  DestinationPort,
  Protocol,
}) {
  const [source, destination] = [SourceAddress, DestinationAddress].map(
    ({ AddressDefinition }) => AddressDefinition,
  )
  const hosts = `host ${source} and host ${destination}`
  const keyword = KEYWORDS[Protocol]
  if (keyword === undefined) {
    return `${hosts} and ${source.includes(':') ? 'ip6' : 'ip'} proto ${Protocol}`
  }
  return `${hosts} and ${keyword} port ${SourcePort} and ${keyword} port ${DestinationPort}`
}

/** `at`: when they were captured, in seconds. `session`: whose they are, where that was asked. */
function showFlows(flows, at, session) {
  const byBytes = flows.toSorted((one, other) => other.ByteCount - one.ByteCount)
  element('flow-results').hidden = false
  const heads = ['Source', 'Port', 'Destination', 'Port', 'Protocol', 'Age', 'Packets', 'Bytes', '']
  element('flows').tHead.rows[0].replaceChildren(
    ...heads.map((head, index) => {
      const th = document.createElement('th')
      th.textContent = head
      th.scope = 'col'
      if (index === 1 || index === 3 || index > 4) th.className = 'n'
      return th
    }),
  )
  element('flows').tBodies[0].replaceChildren(
    ...byBytes
      .slice(0, ROWS_SHOWN)
      .map((flow) =>
        row(
          cell(flow.SourceAddress.AddressDefinition, 'address'),
          cell(flow.SourcePort, 'n'),
          cell(flow.DestinationAddress.AddressDefinition, 'address'),
          cell(flow.DestinationPort, 'n'),
          cell(PROTOCOLS[flow.Protocol] ?? flow.Protocol),
          cell(`${flow.Age} s`, 'n'),
          cell(flow.PacketCount.toLocaleString(), 'n'),
          cell(scaled(flow.ByteCount, 'B'), 'n'),
          cell(
            packetsLink(
              `${flow.SourceAddress.AddressDefinition} to ${flow.DestinationAddress.AddressDefinition}`,
              { filter: filterOfFlow(flow), session, since: Math.floor(at) - flow.Age - 1 },
            ),
            'act',
          ),
        ),
      ),
  )
  showTalkers(flows)
}

/** What each address sent and received in these flows. */
function showTalkers(flows) {
  const talkers = new Map()
  for (const { SourceAddress, DestinationAddress, ByteCount, PacketCount } of flows) {
    for (const { AddressDefinition: address } of [SourceAddress, DestinationAddress]) {
      const talker = talkers.get(address) ?? { address, bytes: 0, packets: 0, flows: 0 }
      talker.bytes += ByteCount
      talker.packets += PacketCount
      talker.flows++
      talkers.set(address, talker)
    }
  }
  const heaviest = [...talkers.values()].sort((one, other) => other.bytes - one.bytes).slice(0, 15)
  element('talkers').tBodies[0].replaceChildren(
    ...heaviest.map(({ address, bytes, packets, flows: count }) =>
      row(
        cell(address, 'address'),
        cell(scaled(bytes, 'B'), 'n'),
        cell(packets.toLocaleString(), 'n'),
        cell(count.toLocaleString(), 'n'),
      ),
    ),
  )
}

/** The operations that the appliance still has, to look at again. */
async function listOperations(FirewallArn, shown) {
  const { FlowOperations } = await call('ListFlowOperations', {
    FirewallArn,
    FlowOperationType: 'FLOW_CAPTURE',
    MaxResults: 8,
  })
  element('operations').replaceChildren(
    element('operations').firstElementChild,
    ...FlowOperations.map(({ FlowOperationId, FlowRequestTimestamp }) => {
      const button = document.createElement('button')
      button.type = 'button'
      button.textContent = new Date(FlowRequestTimestamp * 1000).toLocaleTimeString()
      button.ariaPressed = String(FlowOperationId === shown)
      button.addEventListener('click', () => attempt(() => show(FirewallArn, FlowOperationId)))
      return button
    }),
  )
}

/** What goes wrong is said in the page. */
async function attempt(work) {
  const problem = element('flow-problem')
  problem.hidden = true
  try {
    await work()
  } catch (error) {
    status.textContent = ''
    problem.textContent = error.message
    problem.hidden = false
  }
}

export function startFlowCaptures() {
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void attempt(start)
  })
  form.elements.firewall.addEventListener('focus', () => attempt(fillSessions))
  form.elements.firewall.addEventListener('change', ({ target }) =>
    attempt(() => listOperations(target.value)),
  )
  void attempt(async () => {
    await fillSessions()
    await listOperations(form.elements.firewall.value)
  })
}
