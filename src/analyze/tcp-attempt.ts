import { FLAGS, STATE } from '../flow/flow-entry.js'
import { STATE_BEGUN_BY_B } from '../flow/flow-state.js'
import { TCP_ACK, TCP_RST, TCP_SYN } from '../wire/tcp.js'

/** Where the flags that a direction ever had stand in the word of flags: of direction 0 from this bit on, then of 1. */
const EVER_SHIFT = 16

/** The flags that direction 0, or 1, of a connection ever had. */
export function everFlags(words: Uint32Array, at: number, direction: 0 | 1): number {
  return (words[at + FLAGS]! >>> (EVER_SHIFT + 8 * direction)) & 0xff
}

/**
 * What became of the attempt to open the TCP connection at `words[at]`; undefined where the SYN that
 * began it was not seen. With an acknowledgment by who asked it went on: then its answer was not seen.
 */
export function attemptOf(
  words: Uint32Array,
  at: number,
  packets0: number,
  packets1: number,
): 'refused' | 'unanswered' | 'answered' | undefined {
  const isBegunByB = (words[at + STATE]! & STATE_BEGUN_BY_B) !== 0
  const asked = everFlags(words, at, isBegunByB ? 1 : 0)
  if ((asked & TCP_SYN) === 0) return undefined
  const answered = everFlags(words, at, isBegunByB ? 0 : 1)
  if ((answered & (TCP_RST | TCP_SYN)) === TCP_RST) return 'refused'
  const answers = isBegunByB ? packets0 : packets1
  return answers === 0 && (asked & TCP_ACK) === 0 ? 'unanswered' : 'answered'
}
