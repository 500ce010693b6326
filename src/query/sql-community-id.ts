import { COMMUNITY_PORTS } from '../application/community-id.js'
import { PROTOCOL_ICMP, PROTOCOL_ICMPV6 } from '../wire/protocol.js'

const hex = (value: string, digits: number): string => `lpad(to_hex(${value}), ${digits}, '0')`

/** The Community ID of rows, as communityId() has it. To be run once in a database that has the schema `loaded`. */
export const COMMUNITY_ID_MACROS = [
  `CREATE MACRO loaded.end_text(version, a, b, c, d, port) AS
    CASE version WHEN 4 THEN ${hex('a', 8)}
    ELSE ${['a', 'b', 'c', 'd'].map((word) => hex(word, 8)).join(' || ')} END || ${hex('port', 4)}`,
  `CREATE MACRO loaded.community_bytes(protocol, low, high) AS
    unhex('0000' || low[:-5] || high[:-5] || ${hex('protocol', 2)} || '00' ||
      CASE WHEN protocol IN (${COMMUNITY_PORTS.join(', ')}) THEN low[-4:] || high[-4:] ELSE '' END)`,
  `CREATE MACRO loaded.community_id(version, protocol, source, destination) AS
    CASE WHEN version > 0 AND protocol NOT IN (${PROTOCOL_ICMP}, ${PROTOCOL_ICMPV6}) THEN
      '1:' || to_base64(unhex(sha1(loaded.community_bytes(protocol,
        least(source, destination), greatest(source, destination))))) END`,
]
