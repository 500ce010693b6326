import { parseCidr } from '../wire/address.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import { portNames } from '../wire/service-names.js'
import { quoted } from './duckdb.js'

/**
 * SQL functions on addresses and ports, as macros: DuckDB's own for addresses are in an extension,
 * which would have to be downloaded. In here an address is its version and then its bits as
 * 32 or 128 digits: a block of addresses is a prefix of that.
 */

/**
 * What `is_private` is true for: private addresses (RFC 1918, RFC 4193), loopback (RFC 1122, RFC 4291)
 * and link-local addresses (RFC 3927, RFC 4291); and those of IPv4 in IPv6 form. Shared address
 * space (100.64.0.0/10, RFC 6598) is not private, as in the registries of IANA.
 */
const PRIVATE_BLOCKS = [
  '10.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
] as const

/** The digits that addresses of a block begin with. */
function digitsOf(block: string): string {
  const { version, first, prefixLength } = parseCidr(block)!
  const words = version === 4 ? first.slice(3) : first
  const bits = [...words].map((word) => word.toString(2).padStart(32, '0')).join('')
  return version + bits.slice(0, prefixLength)
}

function privateDigits(): string {
  const mapped = digitsOf('::ffff:0.0.0.0/96')
  const digits = PRIVATE_BLOCKS.flatMap((block) => {
    const own = digitsOf(block)
    return own.startsWith('4') ? [own, mapped + own.slice(1)] : [own]
  })
  return `^(?:${digits.join('|')})`
}

const OCTET = '(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])'
const DOTTED = `(?:${OCTET}[.]){3}${OCTET}`
const GROUP = '[0-9a-fA-F]{1,4}'

/** The number of a dotted address. */
function dottedNumber(text: string): string {
  const octets = [16_777_216, 65_536, 256, 1].map(
    (factor, at) => `TRY_CAST(split_part(${text}, '.', ${at + 1}) AS UINTEGER) * ${factor}`,
  )
  return `(${octets.join(' + ')})`
}

/** A CASE over the number of a service's port, for one protocol. */
function serviceMap(protocol: typeof PROTOCOL_TCP | typeof PROTOCOL_UDP): string {
  const entries = [...portNames(protocol)].map(([port, name]) => `${port}: ${quoted(name)}`)
  return `MAP {${entries.join(', ')}}[TRY_CAST(port AS INTEGER)]`
}

/** SQL in which `name` is a value that is computed once, however often it stands there. */
function once(name: string, value: string, sql: string): string {
  return `list_transform([${value}], lambda ${name}: ${sql})[1]`
}

/** With the dotted end of ::ffff:10.0.0.1 as two groups. */
const UNDOTTED = `CASE WHEN regexp_full_match(text, '.*:${DOTTED}') THEN
    regexp_extract(text, '^.*:') || ${once(
      'word',
      dottedNumber("regexp_extract(text, '[^:]*$')"),
      "concat(to_hex(word >> 16), ':', to_hex(word & 65535))",
    )} END`

/** All eight groups: `::` is as many as are missing, at least one. */
const WHOLE = `CASE WHEN NOT contains(short, '::') THEN short
    WHEN NOT regexp_matches(short, ':::|^:[^:]|[^:]:$') THEN
      trim(replace(short, '::', ':' || repeat('0:',
        greatest(8 - len(regexp_extract_all(short, '[^:]+')), 1))), ':') END`

const GROUPS_DIGITS = `CASE WHEN regexp_full_match(whole, '(?:${GROUP}:){7}${GROUP}') THEN
    '6' || CAST(CAST(from_hex(array_to_string(
      list_transform(string_split(whole, ':'), lambda part: lpad(part, 4, '0')), '')) AS BIT) AS VARCHAR) END`

/** To be run once in a database that has the schema `loaded`. */
export const FUNCTION_MACROS = [
  `CREATE MACRO loaded.ipv6_digits(text) AS
    ${once('short', `CASE WHEN contains(text, '.') THEN ${UNDOTTED} ELSE text END`, once('whole', WHOLE, GROUPS_DIGITS))}`,
  // NULL for what is no address.
  `CREATE MACRO loaded.address_digits(text) AS
    CASE WHEN contains(text, ':') THEN loaded.ipv6_digits(text)
    WHEN regexp_full_match(text, '${DOTTED}') THEN '4' || lpad(bin(${dottedNumber('text')}), 32, '0') END`,
  // NULL for what is no block of addresses.
  `CREATE MACRO loaded.cidr_digits(cidr) AS
    CASE WHEN regexp_full_match(cidr, '[^/]+(?:/(?:0|[1-9][0-9]{0,2}))?') THEN
      left(loaded.address_digits(split_part(cidr, '/', 1)), CASE
        WHEN NOT contains(cidr, '/') THEN 129
        WHEN TRY_CAST(split_part(cidr, '/', 2) AS INTEGER) <= CASE WHEN contains(cidr, ':') THEN 128 ELSE 32 END
          THEN TRY_CAST(split_part(cidr, '/', 2) AS INTEGER) + 1
        END)
    END`,
  `CREATE MACRO in_cidr(address, cidr) AS
    CASE WHEN cidr IS NOT NULL AND loaded.cidr_digits(CAST(cidr AS VARCHAR)) IS NULL THEN
      error(concat('in_cidr: ''', cidr, ''' is not a block of addresses such as 10.0.0.0/8 or 2001:db8::/32'))
    ELSE starts_with(
      loaded.address_digits(CAST(address AS VARCHAR)), loaded.cidr_digits(CAST(cidr AS VARCHAR))) END`,
  `CREATE MACRO is_private(address) AS
    regexp_matches(loaded.address_digits(CAST(address AS VARCHAR)), '${privateDigits()}')`,
  `CREATE MACRO service_name(protocol, port) AS CASE lower(CAST(protocol AS VARCHAR))
    WHEN '${PROTOCOL_TCP}' THEN ${serviceMap(PROTOCOL_TCP)}
    WHEN 'tcp' THEN ${serviceMap(PROTOCOL_TCP)}
    WHEN '${PROTOCOL_UDP}' THEN ${serviceMap(PROTOCOL_UDP)}
    WHEN 'udp' THEN ${serviceMap(PROTOCOL_UDP)} END`,
]
