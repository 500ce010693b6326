/**
 * An assembler for classic BPF (the kernel's Documentation/networking/filter.rst), as far as
 * steering.ts and packet-socket-filter.ts need it: loads relative to X, arithmetic on A,
 * sixteen words of memory, jumps forward to labels.
 *
 * A load outside of the packet ends the program with 0.
 */
const LD = 0x00
const LDX = 0x01
const ST = 0x02
const STX = 0x03
const ALU = 0x04
const JMP = 0x05
const RET = 0x06
const MISC = 0x07
const IMMEDIATE = 0x00
const MEMORY = 0x60
const INDIRECT = 0x40
const LENGTH = 0x80
const BY_X = 0x08
const RETURN_A = 0x10
const JUMP_ALWAYS = 0x00
const JUMP_EQUAL = 0x10
const JUMP_AT_LEAST = 0x30
const JUMP_ANY_BIT = 0x40
const TAX = 0x00
const TXA = 0x80

const SIZES = { word: 0x00, half: 0x08, byte: 0x10 } as const
const OPERATIONS = {
  add: 0x00,
  sub: 0x10,
  mul: 0x20,
  and: 0x50,
  lsh: 0x60,
  rsh: 0x70,
  mod: 0x90,
  xor: 0xa0,
} as const

/** struct sock_filter: 16 bits of code, two jumps of 8 bits, 32 bits of operand. */
const INSTRUCTION_LEN = 8

interface Instruction {
  code: number
  operand: number
  /** Labels; undefined is the next instruction. */
  whenTrue?: string | undefined
  whenFalse?: string | undefined
}

export class BpfAssembler {
  readonly #instructions: Instruction[] = []
  readonly #labels = new Map<string, number>()

  label(name: string): this {
    this.#labels.set(name, this.#instructions.length)
    return this
  }

  /** A = packet[X + offset], big-endian. */
  load(size: keyof typeof SIZES, offset: number): this {
    return this.#push(LD | SIZES[size] | INDIRECT, offset)
  }

  /** A = bytes of the packet. */
  loadLength(): this {
    return this.#push(LD | LENGTH, 0)
  }

  /** A = value. */
  set(value: number): this {
    return this.#push(LD | IMMEDIATE, value)
  }

  /** X = value. */
  setX(value: number): this {
    return this.#push(LDX | IMMEDIATE, value)
  }

  /** A = A operation value, modulo 2^32. */
  compute(operation: keyof typeof OPERATIONS, value: number): this {
    return this.#push(ALU | OPERATIONS[operation], value)
  }

  /** A = A operation X. */
  computeX(operation: keyof typeof OPERATIONS): this {
    return this.#push(ALU | OPERATIONS[operation] | BY_X, 0)
  }

  /** A = memory[cell]. */
  recall(cell: number): this {
    return this.#push(LD | MEMORY, cell)
  }

  /** X = memory[cell]. */
  recallX(cell: number): this {
    return this.#push(LDX | MEMORY, cell)
  }

  /** memory[cell] = A. */
  keep(cell: number): this {
    return this.#push(ST, cell)
  }

  /** memory[cell] = X. */
  keepX(cell: number): this {
    return this.#push(STX, cell)
  }

  /** X = A. */
  copyToX(): this {
    return this.#push(MISC | TAX, 0)
  }

  /** A = X. */
  copyFromX(): this {
    return this.#push(MISC | TXA, 0)
  }

  /** X = X + value. A is lost. */
  advanceX(value: number): this {
    return this.copyFromX().compute('add', value).copyToX()
  }

  jump(to: string): this {
    return this.#push(JMP | JUMP_ALWAYS, 0, to)
  }

  jumpIfEqual(value: number, to: string): this {
    return this.#push(JMP | JUMP_EQUAL, value, to)
  }

  jumpUnlessEqual(value: number, to: string): this {
    return this.#push(JMP | JUMP_EQUAL, value, undefined, to)
  }

  /** Unsigned. */
  jumpIfLess(value: number, to: string): this {
    return this.#push(JMP | JUMP_AT_LEAST, value, undefined, to)
  }

  jumpIfAnyBit(mask: number, to: string): this {
    return this.#push(JMP | JUMP_ANY_BIT, mask, to)
  }

  returnA(): this {
    return this.#push(RET | RETURN_A, 0)
  }

  returnValue(value: number): this {
    return this.#push(RET, value)
  }

  /** An array of struct sock_filter, little-endian. */
  assemble(): Buffer {
    const program = Buffer.alloc(this.#instructions.length * INSTRUCTION_LEN)
    for (const [index, instruction] of this.#instructions.entries()) {
      const at = index * INSTRUCTION_LEN
      const { code, operand, whenTrue, whenFalse } = instruction
      const always = code === (JMP | JUMP_ALWAYS)
      program.writeUInt16LE(code, at)
      // Both throw when the label lies after or too far ahead for eight bits: a bug of ours.
      if (!always) program.writeUInt8(this.#distance(index, whenTrue), at + 2)
      program.writeUInt8(this.#distance(index, whenFalse), at + 3)
      program.writeUInt32LE(always ? this.#distance(index, whenTrue) : operand, at + 4)
    }
    return program
  }

  #distance(from: number, label: string | undefined): number {
    if (label === undefined) return 0
    const to = this.#labels.get(label)
    if (to === undefined) throw new Error(`no label ${label}`)
    return to - from - 1
  }

  #push(code: number, operand: number, whenTrue?: string, whenFalse?: string): this {
    this.#instructions.push({ code, operand: operand >>> 0, whenTrue, whenFalse })
    return this
  }
}
