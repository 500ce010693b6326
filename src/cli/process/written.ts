import { statOf } from '../named-files.js'
import { say } from './console.js'

/** `1 packet`, `2 packets`. */
export function counted(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

/**
 * What a command says at its end of what it wrote to a file or a directory. Not of pipes and
 * terminals: their readers see it. `files`: how many were begun, where it may be more than one;
 * `target` is then the last or the directory.
 */
export function sayWritten(what: string, target: string, files?: number): void {
  const found = statOf(target)
  if (found === undefined || !(found.isFile() || found.isDirectory())) return
  if (files === undefined) say(`${what} written to ${target}`)
  else {
    const where = found.isDirectory()
      ? ` in ${target}`
      : files === 1
        ? `, ${target}`
        : `, the last ${target}`
    say(`${what} written to ${counted(files, 'file')}${where}`)
  }
}
