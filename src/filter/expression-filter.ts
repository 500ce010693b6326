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
 * host` of raw IP) they are refused, and `onProblem` is told of it once.
 */
export class ExpressionFilter {
  readonly text: string
  readonly #expression: Expression | undefined
  readonly #programs = new Map<number, Program>()
  #linkType = LINKTYPE_ETHERNET
  #program: Program

  readonly #onProblem: (line: string) => void

  /** Throws OperatorError (exit code 2) that names the column and the word. */
  constructor(text: string, onProblem: (line: string) => void = () => undefined) {
    this.text = text
    this.#onProblem = onProblem
    this.#expression = parseExpression(text)
    this.#program = this.#compile(LINKTYPE_ETHERNET)
    this.#programs.set(LINKTYPE_ETHERNET, this.#program)
  }

  /** Whether a packet is wanted. Neither allocates nor throws, but for the first of a link type. */
  accepts(packet: Packet, frame: Frame, subject: FilterSubject): boolean {
    if (packet.linkType !== this.#linkType) this.#use(packet.linkType)
    return this.#program.accepts(packet, frame, subject)
  }

  #use(linkType: number): void {
    const key = isReadableLinkType(linkType) ? linkType : UNREADABLE
    this.#linkType = linkType
    this.#program = this.#programs.get(key) ?? this.#compileFor(linkType)
    this.#programs.set(key, this.#program)
  }

  #compileFor(linkType: number): Program {
    try {
      return this.#compile(linkType)
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error
      const name = linkTypeName(linkType)
      this.#onProblem(`frames of ${name} are left out: ${error.message}`)
      return NOTHING
    }
  }

  #compile(linkType: number): Program {
    const expression = this.#expression
    return new Program(expression === undefined ? ALWAYS : conditionOf(expression, linkType))
  }
}
