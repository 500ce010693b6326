import { formatIpv4, formatIpv6 } from '../../src/wire/address.js'

/** What a collector learns from a data record: by the names of IANA's registry. */
export type IpfixRecord = Readonly<Record<string, string | number>>

const NAMES: Readonly<Record<number, string>> = {
  1: 'octetDeltaCount',
  2: 'packetDeltaCount',
  4: 'protocolIdentifier',
  6: 'tcpControlBits',
  7: 'sourceTransportPort',
  8: 'sourceIPv4Address',
  11: 'destinationTransportPort',
  12: 'destinationIPv4Address',
  27: 'sourceIPv6Address',
  28: 'destinationIPv6Address',
  61: 'flowDirection',
  136: 'flowEndReason',
  152: 'flowStartMilliseconds',
  153: 'flowEndMilliseconds',
  351: 'layer2SegmentId',
}

/**
 * A collector's side of a transport session (RFC 7011), by its own reading of it: knows nothing of
 * how the messages were made. Throws where they break a rule.
 */
export class IpfixReader {
  readonly records: IpfixRecord[] = []
  /** Domains whose templates have come, once for each time. */
  readonly templatesOf: number[] = []
  readonly lengths: number[] = []
  readonly #templates = new Map<string, readonly [number, number][]>()
  readonly #sequence = new Map<number, number>()
  #rest = Buffer.alloc(0)

  /** Bytes of a connection, wherever they were cut. */
  stream(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes])
    for (;;) {
      if (this.#rest.length < 16) return
      const length = this.#rest.readUInt16BE(2)
      if (this.#rest.length < length) return
      this.message(this.#rest.subarray(0, length))
      this.#rest = this.#rest.subarray(length)
    }
  }

  message(bytes: Buffer): void {
    if (bytes.readUInt16BE(0) !== 10) throw new Error(`version ${bytes.readUInt16BE(0)}`)
    if (bytes.readUInt16BE(2) !== bytes.length) throw new Error('wrong length of a message')
    this.lengths.push(bytes.length)
    const domain = bytes.readUInt32BE(12)
    const sequence = bytes.readUInt32BE(8)
    const expected = this.#sequence.get(domain) ?? 0
    if (sequence !== expected) throw new Error(`sequence ${sequence} in place of ${expected}`)
    let records = 0
    for (let at = 16; at < bytes.length; ) {
      const length = bytes.readUInt16BE(at + 2)
      if (length < 5 || at + length > bytes.length) throw new Error('wrong length of a set')
      const set = bytes.subarray(at + 4, at + length)
      const id = bytes.readUInt16BE(at)
      if (id === 2) this.#learn(domain, set)
      else records += this.#read(domain, id, set)
      at += length
    }
    this.#sequence.set(domain, (sequence + records) % 2 ** 32)
  }

  #learn(domain: number, set: Buffer): void {
    this.templatesOf.push(domain)
    for (let at = 0; at < set.length; ) {
      const count = set.readUInt16BE(at + 2)
      const fields = Array.from({ length: count }, (_, index): [number, number] => [
        set.readUInt16BE(at + 4 + index * 4),
        set.readUInt16BE(at + 6 + index * 4),
      ])
      this.#templates.set(`${domain} ${set.readUInt16BE(at)}`, fields)
      at += 4 + count * 4
    }
  }

  #read(domain: number, id: number, set: Buffer): number {
    const template = this.#templates.get(`${domain} ${id}`)
    if (template === undefined) throw new Error(`no template ${id} of domain ${domain}`)
    let count = 0
    for (let at = 0; at < set.length; count++) {
      const record: Record<string, string | number> = { domain }
      for (const [element, length] of template) {
        const name = NAMES[element]
        if (name === undefined) throw new Error(`element ${element}`)
        record[name] = readValue(name, set.subarray(at, at + length))
        at += length
      }
      this.records.push(record)
    }
    return count
  }
}

function readValue(name: string, bytes: Buffer): string | number {
  if (name.endsWith('IPv4Address')) return formatIpv4(bytes.readUInt32BE())
  if (name.endsWith('IPv6Address')) {
    const [a, b, c, d] = [0, 4, 8, 12].map((at) => bytes.readUInt32BE(at))
    return formatIpv6(a!, b!, c!, d!)
  }
  if (name === 'layer2SegmentId') return `${bytes[0]} ${bytes.readUIntBE(2, 6)}`
  return bytes.length === 8 ? Number(bytes.readBigUInt64BE()) : bytes.readUIntBE(0, bytes.length)
}
