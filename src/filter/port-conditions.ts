import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from '../wire/ethernet.js'
import { IPV4_PROTOCOL } from '../wire/ipv4.js'
import { IPV6_HEADER_LEN, IPV6_NEXT_HEADER } from '../wire/ipv6.js'
import { DESTINATION_PORT, PORT_MAX, SOURCE_PORT } from '../wire/ports.js'
import { PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import { type Service, serviceNamed } from '../wire/service-names.js'
import {
  all,
  any,
  type Condition,
  equals,
  type Field,
  isAbove,
  isAtLeast,
  not,
} from './condition.js'
import type { Direction, Identifier, Qualifiers } from './expression.js'
import { type LinkLayer, numberUpTo } from './link-layer.js'
import { isFirstOfIpv4 } from './protocol-conditions.js'
import type { Token } from './token.js'
import { refusal } from './token.js'

/** Both ends included. */
interface Ports {
  readonly from: number
  readonly to: number
  /** Protocols that have these ports. */
  readonly protocols: readonly number[]
}

const WITH_PORTS: ReadonlyMap<string | undefined, readonly number[]> = new Map([
  [undefined, [PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP]],
  ['tcp', [PROTOCOL_TCP]],
  ['udp', [PROTOCOL_UDP]],
  ['sctp', [PROTOCOL_SCTP]],
])

/**
 * `port 53`, `udp dst port domain`, `portrange 6000-6010`. Only where there is a port
 * to see: not in later fragments of IPv4, and after no extension header of IPv6.
 */
export function portCondition(layer: LinkLayer, identifier: Identifier): Condition {
  const { qualifiers } = identifier
  const ports = portsOf(identifier, protocolsOf(qualifiers))
  const { direction, token } = qualifiers
  const isIn = (source: Field, destination: Field): Condition =>
    hasPort(source, destination, ports, direction)
  // Each protocol by itself: which ports are looked at may hang on it further on.
  const inIpv4 = ports.protocols.map((protocol) =>
    all(
      equals(layer.network(IPV4_PROTOCOL, 1), protocol),
      isFirstOfIpv4(layer),
      isIn(layer.behindIpv4(SOURCE_PORT, 2), layer.behindIpv4(DESTINATION_PORT, 2)),
    ),
  )
  const inIpv6 = ports.protocols.map((protocol) =>
    all(
      equals(layer.network(IPV6_NEXT_HEADER, 1), protocol),
      isIn(
        layer.network(IPV6_HEADER_LEN + SOURCE_PORT, 2),
        layer.network(IPV6_HEADER_LEN + DESTINATION_PORT, 2),
      ),
    ),
  )
  return any(
    all(layer.carries(ETHERTYPE_IPV4, token), any(...inIpv4)),
    all(layer.carries(ETHERTYPE_IPV6, token), any(...inIpv6)),
  )
}

function protocolsOf({ protocol, address, token }: Qualifiers): readonly number[] {
  const protocols = WITH_PORTS.get(protocol)
  if (protocols !== undefined) return protocols
  throw refusal(
    token,
    `it has no ports: only "tcp", "udp" and "sctp" can stand before "${address}"`,
  )
}

function hasPort(source: Field, destination: Field, ports: Ports, direction: Direction): Condition {
  const isIn = (field: Field): Condition =>
    ports.from === ports.to
      ? equals(field, ports.from)
      : all(isAtLeast(field, ports.from), not(isAbove(field, ports.to)))
  switch (direction) {
    case 'src':
      return isIn(source)
    case 'dst':
      return isIn(destination)
    case 'both':
      return all(isIn(source), isIn(destination))
    case 'either':
      return any(isIn(source), isIn(destination))
  }
}

function portsOf({ qualifiers, token }: Identifier, protocols: readonly number[]): Ports {
  if (token.kind === 'number') {
    const port = numberUpTo(token, PORT_MAX)
    return { from: port, to: port, protocols }
  }
  if (token.kind !== 'name') throw refusal(token, 'this is an address, and a port must stand here')
  if (qualifiers.address === 'port') {
    const service = serviceNamed(token.text)
    if (service === undefined) {
      const why = 'no such service is known: give the number of its port'
      throw refusal(token, token.text.includes('-') ? `${why}, or say "portrange"` : why)
    }
    const known = withService(protocols, service.protocol, token)
    return { from: service.port, to: service.port, protocols: known }
  }
  const dash = token.text.indexOf('-')
  const first = portNamed(token.text.slice(0, Math.max(dash, 0)))
  const second = portNamed(token.text.slice(dash + 1))
  if (first === undefined || second === undefined) {
    throw refusal(token, 'a range of ports such as 6000-6010 must stand here')
  }
  const protocol = first.protocol === second.protocol ? first.protocol : undefined
  return {
    from: Math.min(first.port, second.port),
    to: Math.max(first.port, second.port),
    protocols: withService(protocols, protocol, token),
  }
}

function portNamed(text: string): Service | undefined {
  if (!/^\d{1,5}$/.test(text)) return serviceNamed(text)
  return Number(text) > PORT_MAX ? undefined : { port: Number(text), protocol: undefined }
}

/** Those of `protocols` that know a service. */
function withService(
  protocols: readonly number[],
  protocol: number | undefined,
  token: Token,
): readonly number[] {
  if (protocol === undefined) return protocols
  if (protocols.includes(protocol)) return [protocol]
  throw refusal(token, `this is a service of ${protocol === PROTOCOL_TCP ? 'tcp' : 'udp'}`)
}
