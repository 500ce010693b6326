import {
  ETHERNET_DESTINATION,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  MAC_GROUP_BIT,
} from '../wire/ethernet.js'
import { IPV4_DESTINATION } from '../wire/ipv4.js'
import { IPV6_DESTINATION } from '../wire/ipv6.js'
import { VNI_MAX } from '../wire/vxlan.js'
import { all, any, type Condition, equals, hasAny, isAtLeast, not } from './condition.js'
import type { Cast, Chain, Expression, Identifier } from './expression.js'
import { hostCondition, macIs } from './host-conditions.js'
import { LinkLayer, numberUpTo } from './link-layer.js'
import { ETHERTYPE_PPPOE_DISCOVERY } from './link-protocol.js'
import { comparisonCondition } from './operands.js'
import { portCondition } from './port-conditions.js'
import { ipProtocol, protocolCondition } from './protocol-conditions.js'
import { ETHER_PROTOCOLS, IP_PROTOCOLS } from './protocol-names.js'
import type { Token } from './token.js'
import { refusal } from './token.js'

const IPV4_MULTICAST_MIN = 224
const IPV6_MULTICAST = 0xff
const MAC_BROADCAST = Buffer.alloc(6, 0xff)
const ETHERTYPE_MAX = 0xffff
const PROTOCOL_MAX = 0xff

/**
 * What an expression says of frames of one link type. Throws OperatorError where it
 * says something that these do not have.
 */
export function conditionOf(expression: Expression, linkType: number): Condition {
  return new Conditions(new LinkLayer(linkType)).of(expression)
}

/** From the left to the right, since `vlan`, `mpls` and `pppoes` change what follows. */
class Conditions {
  readonly #layer: LinkLayer

  constructor(layer: LinkLayer) {
    this.#layer = layer
  }

  of(expression: Expression): Condition {
    const layer = this.#layer
    switch (expression.kind) {
      case 'chain':
        return this.#chain(expression)
      case 'not':
        return not(this.of(expression.of))
      case 'identifier':
        return this.#identifier(expression)
      case 'protocol':
        return protocolCondition(layer, expression.word, expression.token)
      case 'broadcast':
        return this.#broadcast(expression)
      case 'multicast':
        return this.#multicast(expression)
      case 'length': {
        const value = expression.octets
        if (expression.relation === 'greater') return { kind: 'length', test: '>=', value }
        return not({ kind: 'length', test: '>', value })
      }
      case 'vlan':
        return layer.vlan(expression.number, expression.token)
      case 'mpls':
        return layer.mpls(expression.number, expression.token)
      case 'pppoes':
        return layer.pppoes(expression.number, expression.token)
      case 'pppoed':
        return layer.carries(ETHERTYPE_PPPOE_DISCOVERY, expression.token)
      case 'comparison':
        return comparisonCondition(layer, expression)
    }
  }

  #chain({ first, rest }: Chain): Condition {
    let condition = this.of(first)
    for (const { join, operand } of rest) {
      const right = this.of(operand)
      condition = join === 'and' ? all(condition, right) : any(condition, right)
    }
    return condition
  }

  #identifier(identifier: Identifier): Condition {
    const { qualifiers, token } = identifier
    switch (qualifiers.address) {
      case 'host':
      case 'net':
        return hostCondition(this.#layer, identifier)
      case 'port':
      case 'portrange':
        return portCondition(this.#layer, identifier)
      case 'proto':
        return this.#proto(identifier)
      case 'vni':
      case 'session':
        if (qualifiers.protocol !== undefined) {
          throw refusal(qualifiers.token, `this cannot stand before "${qualifiers.address}"`)
        }
        return qualifiers.address === 'vni'
          ? { kind: 'vni', vni: numberUpTo(token, VNI_MAX) }
          : { kind: 'session', name: token.text }
    }
  }

  #proto({ qualifiers, token }: Identifier): Condition {
    switch (qualifiers.protocol) {
      case 'ether':
        return this.#layer.carries(numberOf(token, ETHER_PROTOCOLS, ETHERTYPE_MAX), token)
      case 'ip':
        return ipProtocol(this.#layer, numberOf(token, IP_PROTOCOLS, PROTOCOL_MAX), 4, token)
      case 'ip6':
        return ipProtocol(this.#layer, numberOf(token, IP_PROTOCOLS, PROTOCOL_MAX), 6, token)
      case undefined: {
        const number = numberOf(token, IP_PROTOCOLS, PROTOCOL_MAX)
        return ipProtocol(this.#layer, number, undefined, token)
      }
      default:
        throw refusal(
          qualifiers.token,
          'only "ip", "ip6" and "ether" can stand before "proto", or none',
        )
    }
  }

  #broadcast({ protocol, token }: Cast): Condition {
    if (protocol === undefined || protocol === 'ether') {
      return macIs(this.#layer, MAC_BROADCAST, 'dst', token)
    }
    const hint = 'say "dst host" with the address that is one'
    throw refusal(token, `which addresses are broadcasts depends on a netmask: ${hint}`)
  }

  #multicast({ protocol, token }: Cast): Condition {
    const layer = this.#layer
    switch (protocol) {
      case undefined:
      case 'ether':
        if (!layer.isEthernet) {
          throw refusal(token, `frames of ${layer.name} have no Ethernet addresses`)
        }
        return hasAny(layer.link(ETHERNET_DESTINATION, 1), MAC_GROUP_BIT)
      case 'ip':
        return all(
          layer.carries(ETHERTYPE_IPV4, token),
          isAtLeast(layer.network(IPV4_DESTINATION, 1), IPV4_MULTICAST_MIN),
        )
      case 'ip6':
        return all(
          layer.carries(ETHERTYPE_IPV6, token),
          equals(layer.network(IPV6_DESTINATION, 1), IPV6_MULTICAST),
        )
      default:
        throw refusal(token, 'only "ether", "ip" and "ip6" have a multicast')
    }
  }
}

/** The number of a protocol that is given by number or by name. */
function numberOf(token: Token, names: ReadonlyMap<string, number>, max: number): number {
  if (token.kind === 'number') return numberUpTo(token, max)
  const number = token.kind === 'name' ? names.get(token.text) : undefined
  if (number === undefined) throw refusal(token, 'no such protocol is known: give its number')
  return number
}
