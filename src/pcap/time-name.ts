/**
 * File names with a time in them, by the conversions of strftime(3), always in
 * UTC and in English. Those that would put a slash into a name are not known.
 */
import { OperatorError } from '../errors.js'

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]
const DAY_MS = 86_400_000
const THURSDAY = 4

const CONVERSIONS: Readonly<Record<string, (date: Date) => string>> = {
  '%': () => '%',
  a: (date) => DAYS[date.getUTCDay()]!.slice(0, 3),
  A: (date) => DAYS[date.getUTCDay()]!,
  b: (date) => MONTHS[date.getUTCMonth()]!.slice(0, 3),
  B: (date) => MONTHS[date.getUTCMonth()]!,
  C: (date) => digits(Math.floor(date.getUTCFullYear() / 100)),
  d: (date) => digits(date.getUTCDate()),
  e: (date) => String(date.getUTCDate()).padStart(2),
  F: (date) => formatTimeName('%Y-%m-%d', date),
  g: (date) => digits(isoThursday(date).getUTCFullYear() % 100),
  G: (date) => digits(isoThursday(date).getUTCFullYear(), 4),
  h: (date) => MONTHS[date.getUTCMonth()]!.slice(0, 3),
  H: (date) => digits(date.getUTCHours()),
  I: (date) => digits(date.getUTCHours() % 12 || 12),
  j: (date) => digits(dayOfYear(date) + 1, 3),
  m: (date) => digits(date.getUTCMonth() + 1),
  M: (date) => digits(date.getUTCMinutes()),
  p: (date) => (date.getUTCHours() < 12 ? 'AM' : 'PM'),
  R: (date) => formatTimeName('%H:%M', date),
  s: (date) => String(date.getTime() / 1000),
  S: (date) => digits(date.getUTCSeconds()),
  T: (date) => formatTimeName('%H:%M:%S', date),
  u: (date) => String(date.getUTCDay() || 7),
  U: (date) => digits(Math.floor((dayOfYear(date) + 7 - date.getUTCDay()) / 7)),
  V: (date) => digits(Math.floor(dayOfYear(isoThursday(date)) / 7) + 1),
  w: (date) => String(date.getUTCDay()),
  W: (date) => digits(Math.floor((dayOfYear(date) + 7 - ((date.getUTCDay() + 6) % 7)) / 7)),
  y: (date) => digits(date.getUTCFullYear() % 100),
  Y: (date) => String(date.getUTCFullYear()),
  z: () => '+0000',
  Z: () => 'UTC',
}

/** The name at a moment, whole seconds. Throws OperatorError (exit code 2) for a conversion not known. */
export function formatTimeName(pattern: string, date: Date): string {
  return pattern.replace(/%(.?)/gsu, (text, letter: string) => {
    const convert = Object.hasOwn(CONVERSIONS, letter) ? CONVERSIONS[letter] : undefined
    if (convert === undefined) {
      throw new OperatorError(
        `${text} in ${pattern} is not a conversion that a file name may have; ` +
          'write such as %Y%m%dT%H%M%SZ, and %% for a percent sign',
        { exitCode: 2 },
      )
    }
    return convert(date)
  })
}

function digits(value: number, width = 2): string {
  return String(value).padStart(width, '0')
}

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0)) / DAY_MS)
}

/** The Thursday of the same ISO 8601 week, whose year is the week's. */
function isoThursday(date: Date): Date {
  const day = date.getUTCDay() || 7
  return new Date(date.getTime() + (THURSDAY - day) * DAY_MS)
}
