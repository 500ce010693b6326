/** A client of the appliance's API that asks at a fixed rate, whatever comes back. */
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { build } from 'hdr-histogram-js'
import { TARGET_PREFIX } from '../../dist/aws/protocol/json-protocol.js'
import { signRequest } from '../../dist/aws/sigv4/signer.js'

const REGION = 'us-east-1'
const FORM = 'application/x-www-form-urlencoded; charset=utf-8'
const JSON_1_0 = 'application/x-amz-json-1.0'
/** Fewer than the requests the API has at work at a time. */
const SOCKETS = 32

/** Signed requests, each on a connection that lasts. */
export class ApiCaller {
  #agent = new Agent({ keepAlive: true, maxSockets: SOCKETS })
  #url
  #credential

  constructor(url, credential) {
    this.#url = new URL(url)
    this.#credential = credential
  }

  /** The XML of an operation of EC2. */
  ec2(Action, parameters) {
    const form = new URLSearchParams({ Action, Version: '2016-11-15', ...parameters })
    return this.#ask('ec2', { 'content-type': FORM }, form.toString())
  }

  /** The answer of an operation of Network Firewall. */
  async firewall(operation, input) {
    const headers = { 'content-type': JSON_1_0, 'x-amz-target': `${TARGET_PREFIX}${operation}` }
    return JSON.parse(await this.#ask('network-firewall', headers, JSON.stringify(input)))
  }

  close() {
    this.#agent.destroy()
  }

  async #ask(service, fields, text) {
    const body = Buffer.from(text)
    const unsigned = {
      method: /** @type {const} */ ('POST'),
      headers: { host: this.#url.host, ...fields },
      body,
    }
    const scope = { region: REGION, service, at: new Date() }
    const headers = signRequest(unsigned, this.#credential, scope)
    const { status, reply } = await new Promise((resolve, reject) => {
      const asked = request(this.#url, { method: 'POST', headers, agent: this.#agent })
      asked.on('error', reject).on('response', (response) => {
        const pieces = []
        response.on('data', (piece) => pieces.push(piece)).on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode, reply: Buffer.concat(pieces).toString() }),
        )
      })
      asked.end(body)
    })
    if (status !== 200) throw new Error(`${status} ${reply}`)
    return reply
  }
}

/** The text of the first element of that name. */
export function textOf(xml, name) {
  return xml.match(new RegExp(`<${name}>([^<]*)</${name}>`))?.[1]
}

/** 20 requests, each kind as far from itself as it can be. */
const MIX = [
  ...['describe', 'create', 'describe', 'modify', 'describe', 'delete', 'start capture'],
  ...['describe', 'modify', 'create', 'describe', 'delete', 'modify', 'describe', 'results'],
  ...['create', 'describe', 'modify', 'delete', 'describe'],
]

/**
 * A client for a while. `sessions` (ids) are paged through, modified and asked for their
 * flows, a new one is made and deleted again and again. Latency counts from when a request
 * was due, so that what waits behind a slow one is not left out.
 */
export class ApiLoad {
  /** Microseconds, by kind. */
  latency = new Map()
  /** The text of each refusal and failure. */
  errors = []
  /** Flows that all captures gave. */
  flows = 0
  #caller
  #sessions
  #like
  #made = []
  #operations = []
  #token
  #turn = 0
  #mix

  /** `like`: the parameters of a session to make, but for those that differ; `kinds`: of MIX, which. */
  constructor(caller, sessions, like, kinds) {
    this.#caller = caller
    this.#sessions = sessions
    this.#like = like
    this.#mix = MIX.filter((kind) => kinds.includes(kind))
  }

  async run(rate, seconds) {
    const began = performance.now()
    const asked = []
    for (let number = 0; number < rate * seconds; number++) {
      const due = began + (number * 1000) / rate
      const early = due - performance.now()
      if (early > 0) await sleep(early)
      asked.push(this.#ask(this.#mix[number % this.#mix.length], due))
    }
    await Promise.all(asked)
  }

  async #ask(wanted, due) {
    // Timers are up to a millisecond early.
    const began = Math.min(due, performance.now())
    const turn = this.#turn++
    // What is still being made cannot be deleted, nor what is not begun be asked for.
    const isEarly =
      (wanted === 'delete' && this.#made.length === 0) ||
      (wanted === 'results' && this.#operations.length === 0)
    const kind = isEarly ? 'describe' : wanted
    try {
      await this.#do(kind, turn)
    } catch (error) {
      this.errors.push(`${kind}: ${/** @type {Error} */ (error).message}`)
    }
    const histogram = this.latency.get(kind) ?? build({ numberOfSignificantValueDigits: 3 })
    this.latency.set(kind, histogram)
    histogram.recordValue(Math.round((performance.now() - began) * 1000))
  }

  async #do(kind, turn) {
    const TrafficMirrorSessionId = this.#sessions[turn % this.#sessions.length]
    const FirewallArn = `arn:aws:network-firewall:${REGION}:000000000000:firewall/${TrafficMirrorSessionId}`
    switch (kind) {
      case 'describe': {
        const NextToken = this.#token === undefined ? {} : { NextToken: this.#token }
        const page = { MaxResults: 100, ...NextToken }
        const reply = await this.#caller.ec2('DescribeTrafficMirrorSessions', page)
        this.#token = textOf(reply, 'nextToken')
        break
      }
      case 'modify': {
        const PacketLength = 1000 + (turn % 1000)
        const changed = { TrafficMirrorSessionId, PacketLength }
        await this.#caller.ec2('ModifyTrafficMirrorSession', changed)
        break
      }
      case 'create': {
        const NetworkInterfaceId = `eni-1${turn.toString(16).padStart(16, '0')}`
        const made = { ...this.#like, NetworkInterfaceId, VirtualNetworkId: 1_000_000 + turn }
        const reply = await this.#caller.ec2('CreateTrafficMirrorSession', made)
        this.#made.push(textOf(reply, 'trafficMirrorSessionId'))
        break
      }
      case 'delete': {
        const deleted = { TrafficMirrorSessionId: this.#made.shift() }
        await this.#caller.ec2('DeleteTrafficMirrorSession', deleted)
        break
      }
      case 'start capture': {
        const capture = { FirewallArn, FlowFilters: [] }
        const { FlowOperationId } = await this.#caller.firewall('StartFlowCapture', capture)
        this.#operations.push({ FirewallArn, FlowOperationId })
        break
      }
      case 'results': {
        const operation = this.#operations.shift()
        const { Flows } = await this.#caller.firewall('ListFlowOperationResults', operation)
        this.flows += Flows?.length ?? 0
        break
      }
    }
  }
}
