import { PROTOCOL_TCP } from '../wire/protocol.js'

/** Ports that Zeek takes for those of servers (its `likely_server_ports`). */
const TCP = new Set([
  21, 22, 25, 53, 80, 81, 88, 102, 110, 139, 143, 389, 443, 445, 465, 502, 514, 563, 585, 587, 614,
  631, 636, 989, 990, 992, 993, 995, 1080, 1434, 1883, 2811, 3128, 3268, 3306, 3389, 5060, 5222,
  5223, 5269, 5432, 6379, 6666, 6667, 6668, 6669, 8000, 8080, 8888, 20_000,
])
const UDP = new Set([
  53, 67, 68, 88, 123, 137, 161, 162, 443, 514, 1812, 2123, 2152, 3544, 4011, 4789, 5060, 5072,
  5353, 5355, 6081, 20_000,
])

/** Whether a port is a server's, as far as the number tells. */
export function isLikelyServer(protocol: number, port: number): boolean {
  return (protocol === PROTOCOL_TCP ? TCP : UDP).has(port)
}
