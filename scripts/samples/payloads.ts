import type { Random } from '../../test/support/random.js'

export function httpRequest(host: string, path: string): Buffer {
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: sample/1.0\r\nAccept: */*\r\n\r\n`,
  )
}

/** A page of `length` bytes behind its header. */
export function httpResponse(length: number): Buffer {
  const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), Buffer.alloc(length, 'a line of a sample page\n')])
}

/** A record of TLS 1.2 (RFC 8446 §5.1) with noise inside: 0x16 a handshake, 0x17 data. */
export function tlsRecord(random: Random, type: 0x16 | 0x17, length: number): Buffer {
  const head = Buffer.from([type, 3, 3, length >>> 8, length & 0xff])
  return Buffer.concat([head, random.bytes(length)])
}

const DNS_TYPES = { A: 1, AAAA: 28 } as const
const DNS_IN = 1

/** A query with recursion desired (RFC 1035 §4.1). */
export function dnsQuery(id: number, name: string, type: keyof typeof DNS_TYPES): Buffer {
  return Buffer.concat([dnsHeader(id, 0x0100, 0), dnsQuestion(name, type)])
}

/** The response to it with one address, given as bytes. */
export function dnsResponse(
  id: number,
  name: string,
  type: keyof typeof DNS_TYPES,
  address: Buffer,
): Buffer {
  // A pointer to the name in the question, then type, class, 300 s and the address.
  const record = Buffer.alloc(12)
  record.writeUInt16BE(0xc00c, 0)
  record.writeUInt16BE(DNS_TYPES[type], 2)
  record.writeUInt16BE(DNS_IN, 4)
  record.writeUInt32BE(300, 6)
  record.writeUInt16BE(address.length, 10)
  return Buffer.concat([dnsHeader(id, 0x8180, 1), dnsQuestion(name, type), record, address])
}

function dnsHeader(id: number, flags: number, answers: number): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(flags, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(answers, 6)
  return header
}

function dnsQuestion(name: string, type: keyof typeof DNS_TYPES): Buffer {
  const labels = name
    .split('.')
    .map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`))
  return Buffer.concat([...labels, Buffer.from([0, 0, DNS_TYPES[type], 0, DNS_IN])])
}

/** A client's request, mode 3 of version 4 (RFC 5905 §7.3), or a server's answer, mode 4. */
export function ntp(mode: 3 | 4): Buffer {
  const packet = Buffer.alloc(48)
  packet[0] = (4 << 3) | mode
  return packet
}
