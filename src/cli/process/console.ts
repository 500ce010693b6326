import { visible, visibleLines } from '../../visible.js'

/** Characters of a line; what is longer is cut, since names and messages may have any length. */
const LINE_MAX = 8192

const CLEAR_LINE = '\r\x1b[K'

/** How much a line matters, the most first. */
export const LEVELS = ['error', 'warn', 'info', 'debug'] as const
export type Level = (typeof LEVELS)[number]

/** Which lines are written, and how. Only a service asks for anything else. */
const lines = { level: 'info' as Level, isJson: false }

export function setLines(level: Level, isJson: boolean): void {
  Object.assign(lines, { level, isJson })
}

/** Whether the last line on standard error is one that is drawn anew again and again. */
let isRedrawn = false

/**
 * The one way to standard error. File names, and what files, clients and servers say, are part of
 * the lines: what a terminal would obey is escaped here, and nowhere else.
 */
export function say(line: string): void {
  write(line, 'info')
}

/** What an operator should look at; all goes on. */
export function warn(line: string): void {
  write(line, 'warn')
}

/** For who looks for something. */
export function sayDetail(line: string): void {
  write(line, 'debug')
}

/** What went wrong. */
export function sayProblem(line: string): void {
  write(`mirrortap: ${line}`, 'error')
}

function write(line: string, level: Level): void {
  if (LEVELS.indexOf(level) > LEVELS.indexOf(lines.level)) return
  const message = line.length > LINE_MAX ? `${line.slice(0, LINE_MAX)}…` : line
  const text = lines.isJson
    ? JSON.stringify({ time: new Date().toISOString(), level, message })
    : message
  process.stderr.write(`${isRedrawn ? CLEAR_LINE : ''}${visible(text)}\n`)
  isRedrawn = false
}

/** An error that only we can mend, with where it came from. */
export function sayBug(error: unknown): void {
  sayProblem(`a bug, please report it: ${String(error)}`)
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  for (const line of stack.split('\n')) if (/^ {4}at /.test(line)) write(line, 'error')
}

/** Draws the last line anew; for terminals. */
export function redraw(line: string): void {
  if (lines.isJson || LEVELS.indexOf(lines.level) < LEVELS.indexOf('info')) return
  process.stderr.write(`\r${visible(line)}\x1b[K`)
  isRedrawn = true
}

/** Takes the redrawn line away. */
export function clearRedrawn(): void {
  if (isRedrawn) process.stderr.write(CLEAR_LINE)
  isRedrawn = false
}

/** Whole lines on standard output. */
export function print(text: string): void {
  process.stdout.write(asPrinted(text))
}

/** What draws the screen of a terminal: control sequences, and text that has been made visible before. */
export function draw(text: string): void {
  process.stdout.write(text)
}

/** Lines as they may go to standard output: as they are, but for a terminal. */
export function asPrinted(text: string): string {
  return process.stdout.isTTY ? visibleLines(text) : text
}
