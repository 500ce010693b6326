import { protocolName } from '../wire/protocol.js'

/** Columns for people. */

/** `tcp`, or the number where no name is common. */
export function formatProtocol(protocol: number): string {
  return protocolName(protocol) ?? String(protocol)
}

const FLAG_LETTERS = ['F', 'S', 'R', 'P', 'A', 'U', 'E', 'C']

/** `SAF`, lowest bit first; `-` for none. */
export function formatFlags(tcpFlags: number): string {
  const letters = FLAG_LETTERS.filter((_letter, bit) => (tcpFlags & (1 << bit)) !== 0)
  return letters.length === 0 ? '-' : letters.join('')
}
