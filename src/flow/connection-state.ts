import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import {
  CLOSED,
  ESTABLISHED,
  INACTIVE,
  PARTIAL,
  RESET,
  SYN_ACK_SENT,
  SYN_SENT,
} from './tcp-ends.js'

/** How a connection went, in the words of `conn_state` in conn.log of Zeek. */
export const CONNECTION_STATES = [
  'S0',
  'S1',
  'SF',
  'REJ',
  'S2',
  'S3',
  'RSTO',
  'RSTR',
  'RSTOS0',
  'RSTRH',
  'SH',
  'SHR',
  'OTH',
] as const
export type ConnectionState = (typeof CONNECTION_STATES)[number]

/** How one end stands: its state in TCP, whether it sent anything, and the bytes of its data. */
interface End {
  readonly state: number
  readonly isActive: boolean
  readonly size: number
}

export function connectionState(
  protocol: number,
  originator: End,
  responder: End,
): ConnectionState {
  if (protocol === PROTOCOL_UDP) {
    if (!originator.isActive) return responder.isActive ? 'SHR' : 'OTH'
    return responder.isActive ? 'SF' : 'S0'
  }
  if (protocol !== PROTOCOL_TCP) return 'OTH'
  const orig = originator.state
  const resp = responder.state
  const isInactive = (state: number): boolean => state === INACTIVE || state === PARTIAL
  if (resp === RESET) {
    const isEmpty = originator.size === 0 && responder.size === 0
    if (orig === SYN_SENT || orig === SYN_ACK_SENT || (orig === RESET && isEmpty)) return 'REJ'
    return isInactive(orig) ? 'RSTRH' : 'RSTR'
  }
  if (orig === RESET) return isInactive(resp) ? 'RSTOS0' : 'RSTO'
  if (orig === CLOSED && resp === CLOSED) return 'SF'
  if (orig === CLOSED) return isInactive(resp) ? 'SH' : 'S2'
  if (resp === CLOSED) return isInactive(orig) ? 'SHR' : 'S3'
  if (orig === SYN_SENT && resp === INACTIVE) return 'S0'
  return orig === ESTABLISHED && resp === ESTABLISHED ? 'S1' : 'OTH'
}
