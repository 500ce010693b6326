import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** What the kernel tells in /proc and /sys: nothing of what is not there, or belongs to another user. */

export function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

export function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
