import { OperatorError } from '../errors.js'
import type { Frame } from '../wire/frame.js'
import { isReadableLinkType, LINKTYPE_ETHERNET, linkTypeName } from '../wire/link-type.js'
import type { Packet } from '../wire/packet.js'
import { ALWAYS, NEVER } from './condition.js'
import { conditionOf } from './conditions.js'
import type { FilterSubject } from './decision.js'
import type { Expression } from './expression.js'
import { parseExpression } from './parser.js'
import { Program } from './program.js'

const NOTHING = new Program(NEVER)

/** Packets of a link type of which the expression says something that these do not have. */
interface Unsuited {
  /** Of the first of them. */
  readonly linkType: number
  readonly why: string
  packets: number
}

/** Stands for all link types that are not read, so that a file's many do not take room each. */
const UNREADABLE = -1

/**
 * A pcap-filter(7) expression on frames as they were mirrored, without what wrapped
 * them; with `vni N` and `session NAME` besides. It selects what `tcpdump -r` would
 * from a file of these frames.
 *
 * Mirrored frames are Ethernet, so an expression must make sense of that. Frames of
 * other link types, which capture files and GENEVE bring, get a program of their own
 * when the first comes; where the expression asks for what they do not have (`ether
 * host` of raw IP) they are refused, and `problems` says so.
 */
export class ExpressionFilter {
  readonly text: string
  readonly #expression: Expression | undefined
  readonly #programs = new Map<number, Program>()
  readonly #unsuited = new Map<number, Unsuited>()
  #linkType = LINKTYPE_ETHERNET
  #program: Program
  /** Counts packets of the present link type where they are all refused. */
  #refused: Unsuited | undefined = undefined

  /** Throws OperatorError (exit code 2) that names the column and the word. */
  constructor(text: string) {
    this.text = text
    this.#expression = parseExpression(text)
    this.#program = this.#compile(LINKTYPE_ETHERNET)
    this.#programs.set(LINKTYPE_ETHERNET, this.#program)
  }

  /** Whether a packet is wanted. Neither allocates nor throws, but for the first of a link type. */
  accepts(packet: Packet, frame: Frame, subject: FilterSubject): boolean {
    if (packet.linkType !== this.#linkType) this.#use(packet.linkType)
    if (this.#refused !== undefined) this.#refused.packets++
    return this.#program.accepts(packet, frame, subject)
  }

  /** What to tell of packets that were refused for their link type. */
  problems(): string[] {
    return [...this.#unsuited.values()].map(
      ({ linkType, why, packets }) =>
        `${packets} packets of link type ${linkTypeName(linkType)} were left out: ${why}`,
    )
  }

  #use(linkType: number): void {
    const key = isReadableLinkType(linkType) ? linkType : UNREADABLE
    let program = this.#programs.get(key)
    if (program === undefined) {
      try {
        program = this.#compile(linkType)
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error
        program = NOTHING
        this.#unsuited.set(key, { linkType, why: error.message, packets: 0 })
      }
      this.#programs.set(key, program)
    }
    this.#linkType = linkType
    this.#program = program
    this.#refused = program === NOTHING ? this.#unsuited.get(key) : undefined
  }

  #compile(linkType: number): Program {
    const expression = this.#expression
    return new Program(expression === undefined ? ALWAYS : conditionOf(expression, linkType))
  }
}
