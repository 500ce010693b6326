/**
 * Runs a classic BPF program as the kernel does (Documentation/networking/filter.rst), all
 * of its arithmetic, over a packet: the model for programs that the kernel will run.
 * An instruction it does not know is an error of the test.
 */
export function runCbpf(program: Buffer, packet: Buffer): number {
  const memory = new Uint32Array(16)
  const stored = new Set<number>()
  let a = 0
  let x = 0
  for (let pc = 0; ; pc++) {
    const at = pc * 8
    if (at >= program.length) throw new Error(`ran off the end at ${pc}`)
    const code = program.readUInt16LE(at)
    const jt = program[at + 2]!
    const jf = program[at + 3]!
    const k = program.readUInt32LE(at + 4)
    const recall = (cell: number): number => {
      // The kernel refuses programs that may read what they did not store.
      if (!stored.has(cell)) throw new Error(`memory ${cell} read before it is written, at ${pc}`)
      return memory[cell]!
    }

    switch (code & 0x07) {
      case 0x00: // ld
      case 0x01: {
        // ldx
        let value: number
        const mode = code & 0xe0
        if (mode === 0x00) value = k
        else if (mode === 0x60) value = recall(k)
        else if (mode === 0x80) value = packet.length
        else if (mode === 0x20 || mode === 0x40) {
          const offset = (k + (mode === 0x40 ? x : 0)) >>> 0
          const width = { 0: 4, 8: 2, 16: 1 }[code & 0x18]!
          if (offset + width > packet.length) return 0
          value = packet.readUIntBE(offset, width)
        } else if (mode === 0xa0) {
          if (k >= packet.length) return 0
          value = 4 * (packet[k]! & 0x0f)
        } else throw new Error(`unknown mode ${code}`)
        if ((code & 0x07) === 0) a = value
        else x = value
        break
      }
      case 0x02:
        memory[k] = a
        stored.add(k)
        break
      case 0x03:
        memory[k] = x
        stored.add(k)
        break
      case 0x04: {
        const by = (code & 0x08) === 0 ? k : x
        const operation = code & 0xf0
        if (operation === 0x00) a = (a + by) >>> 0
        else if (operation === 0x10) a = (a - by) >>> 0
        else if (operation === 0x20) a = Math.imul(a, by) >>> 0
        else if (operation === 0x30 || operation === 0x90) {
          if (by === 0) return 0
          a = operation === 0x30 ? Math.floor(a / by) : a % by
        } else if (operation === 0x40) a = (a | by) >>> 0
        else if (operation === 0x50) a = (a & by) >>> 0
        else if (operation === 0x60) a = (a << by) >>> 0
        else if (operation === 0x70) a = a >>> by
        else if (operation === 0x80) a = -a >>> 0
        else if (operation === 0xa0) a = (a ^ by) >>> 0
        else throw new Error(`unknown operation ${code}`)
        break
      }
      case 0x05: {
        const operation = code & 0xf0
        const by = (code & 0x08) === 0 ? k : x
        if (operation === 0x00) pc += k
        else if (operation === 0x10) pc += a === by ? jt : jf
        else if (operation === 0x20) pc += a > by ? jt : jf
        else if (operation === 0x30) pc += a >= by ? jt : jf
        else if (operation === 0x40) pc += (a & by) !== 0 ? jt : jf
        else throw new Error(`unknown jump ${code}`)
        break
      }
      case 0x06:
        return (code & 0x18) === 0 ? k : a
      default:
        if ((code & 0xf8) === 0x00) x = a
        else if ((code & 0xf8) === 0x80) a = x
        else throw new Error(`unknown instruction ${code}`)
    }
  }
}
