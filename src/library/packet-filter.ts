import type { FilterSubject } from '../filter/decision.js'
import { ExpressionFilter } from '../filter/expression-filter.js'
import { Frame } from '../wire/frame.js'
import type { Packet } from '../wire/packet.js'
import { parsePacket } from '../wire/parse-frame.js'

/** Whether a packet is wanted. `of`: its mirror session, which `vni N` and `session NAME` ask about. */
export type PacketTest = (packet: Packet, of?: FilterSubject) => boolean

const NOT_MIRRORED: FilterSubject = { vni: null, name: null }

/**
 * Compiles a pcap-filter(7) expression, with `vni N` and `session NAME` besides. It selects what
 * `tcpdump -r FILE EXPRESSION` would of a file of these packets.
 *
 *     const isWanted = compileFilter('tcp port 443 and vni 7')
 *
 * `onProblem` is told once of each link type that the expression makes no sense for; packets of it
 * are not wanted. Throws OperatorError (`ERR_FILTER`) that names the column and the word.
 */
export function compileFilter(expression: string, onProblem?: (line: string) => void): PacketTest {
  const filter = new ExpressionFilter(expression, onProblem)
  const frame = new Frame()
  return (packet, of = NOT_MIRRORED) => {
    parsePacket(packet, frame)
    return filter.accepts(packet, frame, of)
  }
}
