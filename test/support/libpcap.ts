import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pcapFile, type Shot } from './pcap-file.js'
import { temporaryDirectory } from './temporary.js'

/**
 * libpcap, whose compiler and interpreter are what tcpdump selects packets with. It is called
 * in this process, because tcpdump takes 40 times as long to start and to read the file.
 */
interface Libpcap {
  open(file: string, problem: Buffer): unknown
  compile(pcap: unknown, program: Buffer, text: string, optimize: number, netmask: number): number
  accepts(program: Buffer, header: Buffer, frame: Buffer): number
  error(pcap: unknown): string
  free(program: Buffer): void
  close(pcap: unknown): void
}

// pcap.h, and struct bpf_program and struct pcap_pkthdr as LP64 has them.
const ERRBUF_LEN = 256
const PROGRAM_LEN = 16
const HEADER_LEN = 24
const CAPTURED_LEN = 16
const ORIGINAL_LEN = 20
/** As tcpdump has it when it reads a file. */
const NO_NETMASK = 0

function load(): Libpcap | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    const library = koffi.load('libpcap.so.0.8')
    return {
      open: library.func('void *pcap_open_offline(const char *, void *)'),
      compile: library.func('int pcap_compile(void *, void *, const char *, int, uint32_t)'),
      accepts: library.func('int pcap_offline_filter(void *, void *, void *)'),
      error: library.func('const char *pcap_geterr(void *)'),
      free: library.func('void pcap_freecode(void *)'),
      close: library.func('void pcap_close(void *)'),
    }
  } catch {
    return undefined
  }
}

const libpcap = load()

/** For the names of tests that are skipped. */
export const HAS_LIBPCAP = libpcap !== undefined

/**
 * For each expression which of the frames libpcap selects, by their places, or the line that
 * says why it refuses the expression.
 */
export function libpcapSelects(
  shots: readonly Shot[],
  linkType: number,
  expressions: readonly string[],
): (number[] | string)[] {
  const { open, compile, accepts, error, free, close } = libpcap!
  // Of a file, as tcpdump would: some link types mean other things on an interface.
  const file = join(temporaryDirectory(), `link-type-${linkType}.pcap`)
  writeFileSync(file, pcapFile([], linkType))
  const problem = Buffer.alloc(ERRBUF_LEN)
  const program = Buffer.alloc(PROGRAM_LEN)
  const header = Buffer.alloc(HEADER_LEN)
  return expressions.map((text) => {
    const pcap = open(file, problem)
    if (pcap === null) throw new Error(problem.toString().replace(/\0.*/s, ''))
    try {
      if (compile(pcap, program, text, 1, NO_NETMASK) !== 0) {
        const line = error(pcap)
        return line === 'expression rejects all packets' ? [] : line
      }
      const selected: number[] = []
      for (const [index, { frame, originalLength }] of shots.entries()) {
        header.writeUInt32LE(frame.length, CAPTURED_LEN)
        header.writeUInt32LE(originalLength ?? frame.length, ORIGINAL_LEN)
        if (accepts(program, header, frame) !== 0) selected.push(index)
      }
      free(program)
      return selected
    } finally {
      close(pcap)
    }
  })
}
