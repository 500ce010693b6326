import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import { TCP_FIN, TCP_RST, TCP_SYN } from '../wire/tcp.js'
import type { FlowPair } from './flow-pair.js'

/** How a connection went, in the words of `conn_state` in conn.log of Zeek. */
export type ConnectionState =
  | 'S0'
  | 'S1'
  | 'SF'
  | 'REJ'
  | 'S2'
  | 'S3'
  | 'RSTO'
  | 'RSTR'
  | 'RSTOS0'
  | 'RSTRH'
  | 'SH'
  | 'SHR'
  | 'OTH'

/** By the flags that each side ever sent. */
export function connectionState({ protocol, originator, responder }: FlowPair): ConnectionState {
  if (protocol === PROTOCOL_UDP) {
    if (originator.packets === 0) return 'SHR'
    return responder.packets > 0 ? 'SF' : 'S0'
  }
  if (protocol !== PROTOCOL_TCP) return 'OTH'
  const has = (flags: number, flag: number): boolean => (flags & flag) !== 0
  const [orig, resp] = [originator.tcpFlags, responder.tcpFlags]
  const origBegan = has(orig, TCP_SYN)
  const respBegan = has(resp, TCP_SYN)
  if (has(resp, TCP_RST)) {
    if (!origBegan) return 'RSTRH'
    return respBegan ? 'RSTR' : 'REJ'
  }
  if (has(orig, TCP_RST)) return respBegan ? 'RSTO' : origBegan ? 'RSTOS0' : 'OTH'
  const origClosed = has(orig, TCP_FIN)
  const respClosed = has(resp, TCP_FIN)
  if (origClosed && respClosed) return 'SF'
  if (origClosed) return respBegan ? 'S2' : 'SH'
  if (respClosed) return origBegan ? 'S3' : 'SHR'
  if (origBegan && responder.packets === 0) return 'S0'
  return origBegan && respBegan ? 'S1' : 'OTH'
}
