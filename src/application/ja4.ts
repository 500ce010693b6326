import { createHash } from 'node:crypto'
import {
  type ClientHello,
  EXTENSION_ALPN,
  EXTENSION_SERVER_NAME,
  isGrease,
  offeredVersion,
} from './tls.js'

const VERSIONS: Readonly<Record<number, string>> = {
  772: '13',
  771: '12',
  770: '11',
  769: '10',
  768: 's3',
  2: 's2',
}

const NOTHING = '000000000000'

/**
 * The JA4 fingerprint of a TLS client, as FoxIO defines it: what it can do, whatever it asks for.
 * Undefined where the end of the hello was not seen.
 */
export function ja4(hello: ClientHello, transport: 'tcp' | 'quic'): string | undefined {
  if (!hello.isWhole) return undefined
  const ciphers = hello.ciphers.filter((value) => !isGrease(value))
  const extensions = hello.extensions.filter((value) => !isGrease(value))
  const algorithms = hello.signatureAlgorithms.filter((value) => !isGrease(value))
  const first =
    (transport === 'quic' ? 'q' : 't') +
    (VERSIONS[offeredVersion(hello)] ?? '00') +
    (extensions.includes(EXTENSION_SERVER_NAME) ? 'd' : 'i') +
    count(ciphers) +
    count(extensions) +
    endsOf(hello.alpn[0])
  const told = extensions.filter(
    (value) => value !== EXTENSION_SERVER_NAME && value !== EXTENSION_ALPN,
  )
  const sorted = hexList(told.sort((left, right) => left - right))
  const third = algorithms.length === 0 ? sorted : `${sorted}_${hexList(algorithms)}`
  const second = hexList(ciphers.sort((left, right) => left - right))
  return `${first}_${hash(second)}_${extensions.length === 0 ? NOTHING : hash(third)}`
}

function count(values: readonly number[]): string {
  return String(Math.min(values.length, 99)).padStart(2, '0')
}

function hexList(values: readonly number[]): string {
  return values.map((value) => value.toString(16).padStart(4, '0')).join(',')
}

function hash(text: string): string {
  if (text === '') return NOTHING
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

/** The first character and the last; where either is no letter or digit, those of its hexadecimal form. */
function endsOf(protocol: string | undefined): string {
  if (protocol === undefined || protocol === '') return '00'
  const ends = protocol[0]! + protocol.at(-1)!
  if (/^[0-9A-Za-z]{2}$/.test(ends)) return ends
  const hex = Buffer.from(protocol, 'latin1').toString('hex')
  return hex[0]! + hex.at(-1)!
}
