import { nearestName } from '../nearest-name.js'
import type { Qualifiers } from './expression.js'
import { type AddressKind, SUPPORTED, UNSUPPORTED } from './keywords.js'
import type { Token } from './token.js'
import { refusal } from './token.js'

/** What is said of a token that cannot stand where it does. */

/** A token after a condition that is complete. */
export function noContinuation(token: Token): Error {
  return (
    notSupported(token) ??
    refusal(token, `"and" or "or" is missing before it${token.kind === 'name' ? hint(token) : ''}`)
  )
}

function notSupported(token: Token): Error | undefined {
  const why = token.kind === 'keyword' ? UNSUPPORTED.get(token.text) : undefined
  return why === undefined ? undefined : refusal(token, `this is not supported: ${why}`)
}

function hint(token: Token): string {
  const nearest = nearestName(token.text, SUPPORTED)
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`
}

/** A token at which a condition should begin. */
export function noPrimitive(token: Token): Error {
  const unsupported = notSupported(token)
  if (unsupported !== undefined) return unsupported
  switch (token.kind) {
    case 'end':
      return refusal(token, 'something is missing')
    case 'ipv4':
    case 'ipv6':
      return refusal(token, 'say what it is: "host" or "net"')
    case 'mac':
      return refusal(token, 'say what it is: "ether host"')
    case 'number':
      return refusal(token, 'say what it is, such as "port"')
    case 'name':
      return refusal(token, `this word is unknown${hint(token)}`)
    default:
      return refusal(token, 'no condition can begin like this')
  }
}

export function noIdentifier(token: Token, { address }: Qualifiers): Error {
  if (token.kind === 'keyword' && address === 'proto') {
    return refusal(token, `write "\\${token.text}", since it is a word of the language`)
  }
  const unsupported = notSupported(token)
  if (unsupported !== undefined) return unsupported
  const wanted: Record<AddressKind, string> = {
    host: 'an address',
    net: 'a network',
    port: 'a port',
    portrange: 'a range of ports such as 6000-6010',
    proto: 'the number or name of a protocol',
    vni: 'a VNI',
    session: 'the name of a session',
  }
  return refusal(token, `${wanted[address]} must stand here`)
}
