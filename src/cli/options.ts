import { InvalidArgumentError } from 'commander'
import { type HostPort, parseHostPort } from '../wire/host-port.js'
import { VNI_MAX } from '../wire/vxlan.js'

/**
 * What option values look like, for every command: `64MiB`, `100MB`, `60s`,
 * `10m`. Each parser returns the value or throws commander's
 * InvalidArgumentError, which ends as one line and exit code 2.
 */

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  k: 2 ** 10,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 0.001,
  '': 1,
  s: 1,
  m: 60,
  min: 60,
  h: 3600,
  d: 86_400,
}

function quantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim())
  if (match === null || !Object.hasOwn(units, match[2]!)) return undefined
  return Number(match[1]) * units[match[2]!]!
}

/** `64MiB`, `100MB`, `1500` → bytes. */
export function parseSize(text: string): number {
  const octets = quantity(text, SIZE_UNITS)
  if (octets === undefined || octets < 1) {
    throw new InvalidArgumentError('Give a size such as 64MiB, 100MB or 1500.')
  }
  return Math.round(octets)
}

/** `60s`, `10m`, `1h`, `500ms`, `60` → seconds. */
export function parseDuration(text: string): number {
  const seconds = quantity(text, DURATION_UNITS)
  if (seconds === undefined || seconds <= 0) {
    throw new InvalidArgumentError('Give a duration such as 60s, 10m or 1h.')
  }
  return seconds
}

/** As parseDuration, without fractions of a second. */
export function parseWholeSeconds(text: string): number {
  const seconds = parseDuration(text)
  if (Number.isInteger(seconds)) return seconds
  throw new InvalidArgumentError('Give whole seconds, such as 60, 60s or 10m.')
}

/** Makes a parser of whole numbers within [low, high]. */
export function integerBetween(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN
    if (!(value >= low && value <= high)) {
      throw new InvalidArgumentError(`Give a whole number from ${low} to ${high}.`)
    }
    return value
  }
}

/** A UDP or TCP port; 0 where the kernel may choose. */
export const parsePort = integerBetween(0, 65_535)

/** A VXLAN network identifier, 24 bits. */
export const parseVni = integerBetween(0, VNI_MAX)

/** Collects the values of an option that may be repeated. It takes one at a time: words after it are not its own. */
export function collect(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text]
}

/** Collects repeated and comma-separated VNIs: `--vni 7 --vni 8,9`. */
export function collectVnis(text: string, before: readonly number[] | undefined): number[] {
  return [...(before ?? []), ...text.split(',').map(parseVni)]
}

/** Decimal seconds since the epoch, or ISO 8601 with up to nine decimals → seconds and nanoseconds. */
export function parseTime(text: string): { seconds: number; nanoseconds: number } {
  const decimal = /^(\d+)(?:\.(\d{1,9}))?$/.exec(text)
  if (decimal !== null) {
    return { seconds: Number(decimal[1]), nanoseconds: Number((decimal[2] ?? '').padEnd(9, '0')) }
  }
  const iso = /^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)$/.exec(text)
  const local = iso === null ? '' : iso[1]!.replace(' ', 'T')
  const milliseconds = iso === null ? Number.NaN : Date.parse(`${local}${iso[3]}`)
  if (iso === null || Number.isNaN(milliseconds) || !isDate(local)) {
    throw new InvalidArgumentError('Give seconds such as 1561644070.5 or 2019-06-27T14:01:10.5Z.')
  }
  return {
    seconds: Math.floor(milliseconds / 1000),
    nanoseconds: Number((iso[2] ?? '').padEnd(9, '0')),
  }
}

/** As parseTime, `now`, or so long before now: `10m ago`. */
export function parseMoment(text: string): { seconds: number; nanoseconds: number } {
  const ago = /^\s*(.+?)\s*ago\s*$/.exec(text)?.[1]
  if (ago === undefined && text.trim() !== 'now') {
    try {
      return parseTime(text.trim())
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error
      throw new InvalidArgumentError(
        'Give a time such as 10m ago, 2019-06-27T14:01:10Z or 1561644070.5.',
      )
    }
  }
  const milliseconds = Date.now() - (ago === undefined ? 0 : 1000 * parseDuration(ago))
  const seconds = Math.floor(milliseconds / 1000)
  return { seconds, nanoseconds: Math.floor(milliseconds - 1000 * seconds) * 1_000_000 }
}

/** Whether there is such a day: Date.parse takes 30 February for 2 March. */
function isDate(local: string): boolean {
  return new Date(`${local}Z`).toISOString().startsWith(local)
}

/** Where something is sent to: `HOST:PORT`, `[v6]:PORT`. */
export function parseDestination(text: string): HostPort {
  const found = parseHostPort(text)
  if (found === undefined) {
    throw new InvalidArgumentError(
      'Give HOST:PORT, such as 10.0.0.5:4789 or [::1]:4789; ports are 1 to 65535.',
    )
  }
  return found
}

/** A field to sort by and which way, spelled as nfdump's -O has it. */
export interface SortOrder {
  readonly field: string
  /** Undefined: as is usual for the field. */
  readonly way: 'asc' | 'desc' | undefined
}

/** `FIELD`, `FIELD:asc` or `FIELD:desc`. */
export function parseSort(text: string): SortOrder {
  const [, field, way] = /^(.+?)(?::(asc|desc))?$/s.exec(text) ?? []
  if (field === undefined) throw new InvalidArgumentError('Give FIELD, FIELD:asc or FIELD:desc.')
  return { field, way: way as SortOrder['way'] }
}

/** `https://ec2.us-east-1.amazonaws.com`. */
export function parseControl(text: string): string {
  if (!URL.canParse(text) || !/^https?:\/\//i.test(text)) {
    throw new InvalidArgumentError(
      'Give a URL such as http://10.0.0.5:4780 or https://ec2.us-east-1.amazonaws.com.',
    )
  }
  return text
}

export function parseInterfaceId(text: string): string {
  if (/^eni-[0-9A-Za-z-]{1,64}$/.test(text)) return text
  throw new InvalidArgumentError('Give an id such as eni-0a1b2c3d4e5f60718.')
}
