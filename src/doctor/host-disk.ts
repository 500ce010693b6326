import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { OperatorError } from '../errors.js'
import { ensureDirectory, removeEmpty } from '../sink/directory.js'
import { DiskSpace, isFull } from '../sink/disk-space.js'
import { type Finding, ok } from './finding.js'

const PIECE = randomBytes(1 << 20)
const PIECES = 32
const HOURS_MIN = 24

/** Whether the disk of a directory takes what comes, and for how long. `bytesPerSecond`: what captures write. */
export async function checkDisk(directory: string, bytesPerSecond: number): Promise<Finding[]> {
  let made: readonly string[] = []
  try {
    made = ensureDirectory(directory)
    const space = await DiskSpace.watch([directory])
    space.stop()
    const [found] = space.latest
    const room = found?.availableBytes ?? 0
    if (found === undefined || isFull(found) || room < 2 * PIECES * PIECE.length) {
      return [
        {
          check: 'disk',
          level: 'problem',
          what: `${directory} has ${room} bytes left`,
          why: 'captures and flow logs are lost when the disk is full',
          fix: `df -h ${directory}; remove files, or keep fewer (--keep-bytes, --keep-files)`,
        },
      ]
    }
    return [roomFor(directory, room, bytesPerSecond), speed(directory, bytesPerSecond)]
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error
    return [
      {
        check: 'disk',
        level: 'problem',
        what: error.message,
        why: 'captures and flow logs have no place',
        fix: `install -d -o mirrortap ${directory}`,
      },
    ]
  } finally {
    removeEmpty(made)
  }
}

function roomFor(directory: string, available: number, bytesPerSecond: number): Finding {
  const hours = Math.floor(available / bytesPerSecond / 3600)
  const text = `${directory} has room for ${hours} hours of captures at ${megabytes(bytesPerSecond)} MB/s`
  if (hours >= HOURS_MIN) return ok('space', text)
  return {
    check: 'space',
    level: 'warning',
    what: text,
    why: 'captures are lost from then on, unless older ones go',
    fix: 'bound them with --keep-bytes or --keep-files, or capture less with --snaplen',
  }
}

/** By a file that is written, flushed and removed. */
function speed(directory: string, bytesPerSecond: number): Finding {
  const path = join(directory, `.mirrortap-doctor-${process.pid}`)
  const began = performance.now()
  const fd = openSync(path, 'wx')
  try {
    for (let piece = 0; piece < PIECES; piece++) writeSync(fd, PIECE)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
    rmSync(path)
  }
  const perSecond = (PIECES * PIECE.length) / ((performance.now() - began) / 1000)
  const text = `${directory} takes ${megabytes(perSecond)} MB/s; captures would write ${megabytes(bytesPerSecond)}`
  if (perSecond >= bytesPerSecond * 2) return ok('speed', text)
  return {
    check: 'speed',
    level: perSecond >= bytesPerSecond ? 'warning' : 'problem',
    what: text,
    why: 'what the disk does not take in time is lost to captures (captureLost)',
    fix: 'a faster disk (on EC2: instance store, or gp3 with more throughput), --snaplen, or a --filter',
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0)
}
