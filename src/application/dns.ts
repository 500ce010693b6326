/**
 * DNS messages (RFC 1035 §4), those of mDNS (RFC 6762) and LLMNR (RFC 4795) included.
 *
 *      0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15
 *     +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+
 *   0 |                      ID                       |
 *   2 |QR|   Opcode  |AA|TC|RD|RA| Z|AD|CD|   RCODE   |
 *   4 |                    QDCOUNT                    |
 *   6 |                    ANCOUNT                    |
 *   8 |                    NSCOUNT                    |
 *  10 |                    ARCOUNT                    |
 *     +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+
 */
import { formatIpv4, formatIpv6 } from '../wire/address.js'
import { u8, u16, u32 } from '../wire/bytes.js'
import { textOf } from './text.js'

export const DNS_PORT = 53
export const MDNS_PORT = 5353
export const LLMNR_PORT = 5355

const HEADER_LEN = 12
const QR = 0x8000
const OPCODE_SHIFT = 11
/** Query, inverse query, status, notify, update, stateful operations. */
const OPCODE_MAX = 6
/** RFC 1002 §4.2.1.1: query, registration, release, wait, refresh. */
const NETBIOS_OPCODE_MAX = 9
export const DNS_AA = 0x0400
export const DNS_TC = 0x0200
export const DNS_RD = 0x0100
export const DNS_RA = 0x0080
const RCODE = 0x000f

export const DNS_TYPE_A = 1
export const DNS_TYPE_AAAA = 28
const TYPE_NS = 2
const TYPE_CNAME = 5
const TYPE_SOA = 6
const TYPE_PTR = 12
const TYPE_MX = 15
const TYPE_TXT = 16
const TYPE_SRV = 33
/** RFC 1002 §4.2.1.3: flags, of which the first says that it is the name of a group, and an address. */
const TYPE_NB = 32
const NB_LEN = 6
const NB_GROUP = 0x8000
const TYPE_DNAME = 39
const TYPE_SPF = 99

/** RFC 1035 §2.3.4; as text, a character for each byte at most. */
const NAME_MAX = 255
/** Pointers followed in one name; each must go back, so that it ends in any case. */
const POINTERS_MAX = 64
/** More of them in one message are left out. */
const QUESTIONS_MAX = 32
const ANSWERS_MAX = 128

/** Whether a message between these ports is to all hosts of a link, of which any may answer. */
export function isMulticastDns(ports: {
  readonly sourcePort: number
  readonly destinationPort: number
}): boolean {
  const isPort = (port: number) => port === MDNS_PORT || port === LLMNR_PORT
  return isPort(ports.sourcePort) || isPort(ports.destinationPort)
}

export interface DnsQuestion {
  /** In lower case, without the dot at its end. */
  readonly name: string
  readonly type: number
  /** Of mDNS without the bit that asks for a unicast answer. */
  readonly class: number
}

export interface DnsAnswer extends DnsQuestion {
  /** Seconds. */
  readonly ttl: number
  /** What it says, as in dns.log of Zeek. */
  readonly text: string
  /** Of A and AAAA: IPv4 in word 0. */
  readonly address: readonly number[] | undefined
  /** Of TXT: its character strings. */
  readonly texts: readonly string[] | undefined
}

export interface DnsMessage {
  readonly id: number
  /** The second word of the header. */
  readonly flags: number
  readonly isResponse: boolean
  readonly opcode: number
  readonly rcode: number
  readonly questions: readonly DnsQuestion[]
  readonly answers: readonly DnsAnswer[]
  /** The addresses that its other sections give: those of name servers, as a rule. */
  readonly additional: readonly DnsAnswer[]
  /** False where it was cut, or its answers say what cannot be. */
  readonly isWhole: boolean
}

/**
 * Reads the message at `bytes[start, end)`; undefined where it is none. Of one that was cut, what
 * is there. `isNetbios`: of the NetBIOS name service, which gives numbers another meaning.
 */
export function parseDns(
  bytes: Uint8Array,
  start: number,
  end: number,
  isNetbios = false,
): DnsMessage | undefined {
  if (end - start < HEADER_LEN) return undefined
  const flags = u16(bytes, start + 2)
  const opcode = (flags >>> OPCODE_SHIFT) & 0xf
  const questionCount = u16(bytes, start + 4)
  const answerCount = u16(bytes, start + 6)
  const isResponse = (flags & QR) !== 0
  const opcodeMax = isNetbios ? NETBIOS_OPCODE_MAX : OPCODE_MAX
  if (opcode > opcodeMax || (questionCount === 0 && answerCount === 0 && !isResponse)) {
    return undefined
  }
  const reader = new MessageReader(bytes, start, end, isNetbios)
  const questions: DnsQuestion[] = []
  for (let count = Math.min(questionCount, QUESTIONS_MAX); count > 0; count--) {
    const question = reader.question()
    if (question === undefined) break
    questions.push(question)
  }
  // What does not begin with a name is something else on this port.
  if (questionCount > 0 && questions.length === 0) return undefined
  const answers: DnsAnswer[] = []
  if (questions.length === questionCount) {
    for (let count = Math.min(answerCount, ANSWERS_MAX); count > 0; count--) {
      const answer = reader.answer()
      if (answer === undefined) break
      answers.push(answer)
    }
  }
  const isWhole = questions.length === questionCount && answers.length === answerCount
  const otherCount = isWhole ? u16(bytes, start + 8) + u16(bytes, start + 10) : 0
  const additional: DnsAnswer[] = []
  for (let count = Math.min(otherCount, ANSWERS_MAX); count > 0; count--) {
    const record = reader.answer()
    if (record === undefined) break
    if (record.address !== undefined) additional.push(record)
  }
  if (questionCount === 0 && answerCount > 0 && answers.length === 0) return undefined
  return {
    id: u16(bytes, start),
    flags,
    isResponse,
    opcode,
    rcode: flags & RCODE,
    questions,
    answers,
    additional,
    isWhole,
  }
}

/** Z, AD and CD; a query may set the last two. */
const RESERVED = 0x0040
const HOST_NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/
const CLASS_INTERNET = 1
/** Header, a name of one label, type and class. */
const QUESTION_MIN = HEADER_LEN + 7

/** Whether what lies on another port may be a message with one question: a look at its header. */
export function looksLikeDns(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < QUESTION_MIN || u16(bytes, start + 4) !== 1) return false
  const flags = u16(bytes, start + 2)
  if ((flags & RESERVED) !== 0 || ((flags >>> OPCODE_SHIFT) & 0xf) !== 0) return false
  if ((flags & QR) !== 0) return u16(bytes, start + 6) <= ANSWERS_MAX
  return (flags & RCODE) === 0 && u32(bytes, start + 6) === 0 && u16(bytes, start + 10) <= 2
}

/** The same of all of it: whole, and asked for a name that a host may have. */
export function isPlainDns({ isWhole, questions }: DnsMessage): boolean {
  const [question] = questions
  return isWhole && question?.class === CLASS_INTERNET && HOST_NAME.test(question.name)
}

class MessageReader {
  readonly #bytes: Uint8Array
  readonly #start: number
  readonly #end: number
  readonly #isNetbios: boolean
  #at: number

  constructor(bytes: Uint8Array, start: number, end: number, isNetbios: boolean) {
    this.#isNetbios = isNetbios
    this.#bytes = bytes
    this.#start = start
    this.#end = end
    this.#at = start + HEADER_LEN
  }

  question(): DnsQuestion | undefined {
    const name = this.#name()
    if (name === undefined || this.#end - this.#at < 4) return undefined
    const type = u16(this.#bytes, this.#at)
    const classBits = u16(this.#bytes, this.#at + 2)
    this.#at += 4
    return { name, type, class: classBits & 0x7fff }
  }

  answer(): DnsAnswer | undefined {
    const head = this.question()
    if (head === undefined || this.#end - this.#at < 6) return undefined
    const ttl = u32(this.#bytes, this.#at)
    const start = this.#at + 6
    const end = start + u16(this.#bytes, this.#at + 4)
    if (end > this.#end) return undefined
    const text = this.#dataText(head.type, start, end)
    this.#at = end
    if (text === undefined) return undefined
    const isTxt = head.type === TYPE_TXT && !this.#isNetbios
    const texts = isTxt ? this.#strings(start, end).map((string) => string.text) : undefined
    return { ...head, ttl, text, address: this.#address(head.type, start, end), texts }
  }

  #address(type: number, start: number, end: number): readonly number[] | undefined {
    if (this.#isNetbios) {
      const isName = type === TYPE_NB && end - start >= NB_LEN
      if (!isName || (u16(this.#bytes, start) & NB_GROUP) !== 0) return undefined
      return [u32(this.#bytes, start + 2)]
    }
    const words = type === DNS_TYPE_A ? 1 : type === DNS_TYPE_AAAA ? 4 : 0
    if (words === 0 || end - start !== words * 4) return undefined
    return Array.from({ length: words }, (_, word) => u32(this.#bytes, start + word * 4))
  }

  /** Undefined where it is not what the type says. */
  #dataText(type: number, start: number, end: number): string | undefined {
    const word = (at: number) => u32(this.#bytes, start + at)
    if (this.#isNetbios) {
      return type === TYPE_NB && end - start >= NB_LEN
        ? formatIpv4(u32(this.#bytes, start + 2))
        : `<${dnsTypeName(type)}>`
    }
    switch (type) {
      case DNS_TYPE_A:
        return end - start === 4 ? formatIpv4(word(0)) : undefined
      case DNS_TYPE_AAAA:
        return end - start === 16 ? formatIpv6(word(0), word(4), word(8), word(12)) : undefined
      case TYPE_NS:
      case TYPE_CNAME:
      case TYPE_PTR:
      case TYPE_DNAME:
      case TYPE_SOA:
        return this.#nameAt(start, end)
      case TYPE_MX:
        return this.#nameAt(start + 2, end)
      case TYPE_SRV:
        return this.#nameAt(start + 6, end)
      case TYPE_TXT:
        return this.#texts('TXT', start, end)
      case TYPE_SPF:
        return this.#texts('SPF', start, end)
      default:
        return `<${dnsTypeName(type)}>`
    }
  }

  /** Character strings (RFC 1035 §3.3), each as `TXT 5 hello`. */
  #texts(name: string, start: number, end: number): string {
    return this.#strings(start, end)
      .map(({ length, text }) => `${name} ${length} ${text}`)
      .join(' ')
  }

  #strings(start: number, end: number): { readonly length: number; readonly text: string }[] {
    const strings: { length: number; text: string }[] = []
    for (let at = start; at < end; ) {
      const length = Math.min(u8(this.#bytes, at), end - at - 1)
      strings.push({ length, text: textOf(this.#bytes, at + 1, at + 1 + length) })
      at += 1 + length
    }
    return strings
  }

  #nameAt(at: number, end: number): string | undefined {
    if (at >= end) return undefined
    const behind = this.#at
    this.#at = at
    const name = this.#name()
    this.#at = behind
    return name
  }

  /** The name at the current place, which is then after it. */
  #name(): string | undefined {
    const bytes = this.#bytes
    const labels: string[] = []
    let at = this.#at
    let length = 0
    let earliest = at
    let pointers = 0
    for (;;) {
      if (at >= this.#end) return undefined
      const octet = u8(bytes, at)
      if (octet === 0) {
        if (pointers === 0) this.#at = at + 1
        return labels.join('.')
      }
      if (octet >= 0xc0) {
        if (this.#end - at < 2 || ++pointers > POINTERS_MAX) return undefined
        const target = this.#start + (u16(bytes, at) & 0x3fff)
        if (target >= earliest || target < this.#start + HEADER_LEN) return undefined
        if (pointers === 1) this.#at = at + 2
        earliest = target
        at = target
        continue
      }
      if (octet > 63 || at + 1 + octet > this.#end) return undefined
      length += octet + 1
      if (length > NAME_MAX) return undefined
      labels.push(lowerCase(textOf(bytes, at + 1, at + 1 + octet)))
      at += 1 + octet
    }
  }
}

/** DNS knows no others than those of ASCII (RFC 4343). */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** IANA "Domain Name System (DNS) Parameters". */
const TYPE_NAMES: Readonly<Record<number, string>> = {
  1: 'A',
  2: 'NS',
  5: 'CNAME',
  6: 'SOA',
  10: 'NULL',
  11: 'WKS',
  12: 'PTR',
  13: 'HINFO',
  15: 'MX',
  16: 'TXT',
  17: 'RP',
  18: 'AFSDB',
  24: 'SIG',
  25: 'KEY',
  28: 'AAAA',
  29: 'LOC',
  30: 'NXT',
  32: 'NB',
  33: 'SRV',
  35: 'NAPTR',
  37: 'CERT',
  39: 'DNAME',
  41: 'OPT',
  43: 'DS',
  44: 'SSHFP',
  45: 'IPSECKEY',
  46: 'RRSIG',
  47: 'NSEC',
  48: 'DNSKEY',
  50: 'NSEC3',
  51: 'NSEC3PARAM',
  52: 'TLSA',
  59: 'CDS',
  60: 'CDNSKEY',
  61: 'OPENPGPKEY',
  64: 'SVCB',
  65: 'HTTPS',
  99: 'SPF',
  249: 'TKEY',
  250: 'TSIG',
  251: 'IXFR',
  252: 'AXFR',
  255: '*',
  256: 'URI',
  257: 'CAA',
}

const CLASS_NAMES: Readonly<Record<number, string>> = {
  1: 'C_INTERNET',
  3: 'C_CHAOS',
  4: 'C_HESIOD',
  254: 'C_NONE',
  255: 'C_ANY',
}

const RCODE_NAMES = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'YXDOMAIN',
  'YXRRSET',
  'NXRRSET',
  'NOTAUTH',
  'NOTZONE',
  'DSOTYPENI',
]

/** As in dns.log of Zeek. */
export function dnsTypeName(type: number): string {
  return TYPE_NAMES[type] ?? `query-${type}`
}

export function dnsClassName(value: number): string {
  return CLASS_NAMES[value] ?? `qclass-${value}`
}

export function dnsRcodeName(rcode: number): string {
  return RCODE_NAMES[rcode] ?? `rcode-${rcode}`
}
