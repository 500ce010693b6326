import type { Action } from './action.js'
import { jsonProtocol } from './json-protocol.js'
import type { Protocol } from './protocol.js'
import { queryProtocol } from './query-protocol.js'
import type { HeaderFields, RequestHead } from './request.js'

/** One of AWS's services, as far as this API is it. */
export interface Service {
  /** As in a credential scope: `ec2`. */
  readonly name: string
  /** As CloudTrail names it. */
  readonly eventSource: string
  readonly protocol: Protocol
  readonly actions: ReadonlyMap<string, Action>
}

export interface Services {
  readonly ec2: Service
  readonly networkFirewall: Service
}

/** The services with these actions. Two of one name are a mistake. */
export function makeServices(actions: {
  ec2: readonly Action[]
  networkFirewall: readonly Action[]
}): Services {
  return {
    ec2: {
      name: 'ec2',
      eventSource: 'ec2.amazonaws.com',
      protocol: queryProtocol,
      actions: byName(actions.ec2),
    },
    networkFirewall: {
      name: 'network-firewall',
      eventSource: 'network-firewall.amazonaws.com',
      protocol: jsonProtocol,
      actions: byName(actions.networkFirewall),
    },
  }
}

/**
 * Which service a request is meant for. Told by what only JSON requests have, then by the scope of
 * the signature; EC2's protocol has no mark of its own, and takes the rest.
 */
export function serviceFor(services: Services, head: Pick<RequestHead, 'headers'>): Service {
  const { headers } = head
  const isJson =
    headers.get('x-amz-target') !== undefined ||
    /^application\/(?:x-amz-json-|json)/i.test(headers.get('content-type') ?? '') ||
    scopedService(headers) === services.networkFirewall.name
  return isJson ? services.networkFirewall : services.ec2
}

function scopedService(headers: HeaderFields): string | undefined {
  const match = /Credential=[^/,\s]*\/[^/,\s]*\/[^/,\s]*\/([^/,\s]*)/.exec(
    headers.get('authorization') ?? '',
  )
  return match?.[1]
}

function byName(actions: readonly Action[]): Map<string, Action> {
  const named = new Map(actions.map((action) => [action.name, action]))
  if (named.size < actions.length) throw new Error('two actions have the same name')
  return named
}
