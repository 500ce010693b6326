/** Numbers with their units, for people. */

const OCTET_UNITS = ['B', 'kB', 'MB', 'GB', 'TB']

/** `12.3 MB` and the like, decimal units. */
export function formatOctets(octets: number): string {
  let unit = 0
  while (octets >= 1000 && unit < OCTET_UNITS.length - 1) {
    octets /= 1000
    unit++
  }
  return `${unit === 0 ? Math.round(octets) : octets.toFixed(1)} ${OCTET_UNITS[unit]}`
}

const TIME_UNITS: readonly (readonly [name: string, nanoseconds: number])[] = [
  ['d', 86_400e9],
  ['h', 3600e9],
  ['min', 60e9],
  ['s', 1e9],
  ['ms', 1e6],
  ['µs', 1e3],
]

/** `1.23 ms`, `45 s`, `2.5 h`: three digits of the largest unit that fits. */
export function formatNanoseconds(nanoseconds: number): string {
  for (const [name, length] of TIME_UNITS) {
    const value = nanoseconds / length
    if (value >= 1) return `${threeDigits(value)} ${name}`
  }
  return `${Math.round(nanoseconds)} ns`
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0)
  return String(Number(value.toFixed(value >= 9.995 ? 1 : 2)))
}

/** `2.3 %`; what is more than nothing never shows as 0. */
export function formatShare(part: number, whole: number): string {
  if (whole === 0 || part === 0) return '0 %'
  const percent = (100 * part) / whole
  if (percent < 0.1) return '<0.1 %'
  return `${percent >= 99.95 ? 100 : percent.toFixed(1)} %`
}

/** `5 frames`, `1 frame`: the plural is made with s unless it is given. */
export function counted(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`
}

/** Decimal seconds with nine digits, without passing through a floating-point number. */
export function decimalSeconds(seconds: number, nanoseconds: number): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`
}

/** `2026-03-01 12:00:30.123456 UTC` for decimal seconds. */
export function formatMoment(moment: string): string {
  const [seconds, fraction] = moment.split('.') as [string, string]
  const date = new Date(Number(seconds) * 1000)
  // A clock that jumped may give a time that is no date in JavaScript.
  if (Number.isNaN(date.getTime())) return `${moment} s after 1970`
  const text = date.toISOString().replace('T', ' ').slice(0, -5)
  const digits = fraction.endsWith('000') ? fraction.slice(0, 6) : fraction
  return `${text}.${digits} UTC`
}

/** From one moment to another, both decimal seconds; exact up to 104 days. */
export function nanosecondsBetween(first: string, last: string): number {
  const [firstSeconds, firstFraction] = first.split('.') as [string, string]
  const [lastSeconds, lastFraction] = last.split('.') as [string, string]
  const seconds = Number(lastSeconds) - Number(firstSeconds)
  return seconds * 1e9 + (Number(lastFraction) - Number(firstFraction))
}
