import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ApiError } from '../../src/aws/protocol/action.js'
import { OperatorError } from '../../src/errors.js'

/** One entry that takes bytes which somebody else has made. */
export interface FuzzTarget {
  readonly name: string
  /** Sound inputs, which others are made of; some are made in a directory. */
  readonly samples: readonly Buffer[] | ((directory: string) => Promise<readonly Buffer[]>)
  /** Words of its language, which mutations put in. */
  readonly words?: readonly string[]
  /** Inputs of a seeded run; few of those that go through files. */
  readonly inputs: number
  /** `run` is given an empty directory of its own; what is left there is removed before the next call. */
  readonly usesFiles?: true
  /**
   * Gives the bytes to the entry. Throws what the entry throws, and where an answer cannot be right.
   */
  run(bytes: Buffer, directory: string): unknown
  /** An error that the entry says it throws. Those of every target: OperatorError, ApiError. */
  isRefusal?(error: unknown): boolean
}

export async function samplesOf(
  { samples }: FuzzTarget,
  directory: string,
): Promise<readonly Buffer[]> {
  return typeof samples === 'function' ? await samples(directory) : samples
}

/** Of this process, all threads: what one input may take of them. Other processes make none slower. */
const CPU_SECONDS_MAX = 2
/** What may be left in memory by one input, garbage included. */
const BYTES_MAX = 96 * 1024 * 1024

/** An input that should not have had the outcome that it had. */
export class Finding extends Error {
  override readonly name = 'Finding'
}

/** The directory for the next input, empty where the target writes to it. */
export function directoryFor({ usesFiles }: FuzzTarget, root: string): string {
  const directory = join(root, 'run')
  if (usesFiles) {
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory)
  }
  return directory
}

/** Runs one input, and holds the entry to what holds for all. Rejects with Finding. */
export async function tryInput(
  target: FuzzTarget,
  bytes: Buffer,
  directory: string,
): Promise<'taken' | 'refused'> {
  const memory = process.memoryUsage()
  const cpu = process.cpuUsage()
  let outcome: 'taken' | 'refused' = 'taken'
  try {
    await target.run(Buffer.from(bytes), directory)
  } catch (error) {
    if (!isRefusal(target, error)) {
      throw new Finding(`${target.name}: ${(error as Error).stack}\n${shown(bytes)}`, {
        cause: error,
      })
    }
    checkMessage(target, error as Error, bytes)
    outcome = 'refused'
  }
  const used = process.cpuUsage(cpu)
  const seconds = (used.user + used.system) / 1e6
  if (seconds > CPU_SECONDS_MAX) {
    throw new Finding(`${target.name}: took ${seconds} s of CPU\n${shown(bytes)}`)
  }
  const after = process.memoryUsage()
  const grown = after.heapUsed + after.external - memory.heapUsed - memory.external
  if (grown > BYTES_MAX) {
    throw new Finding(`${target.name}: took ${grown} bytes of memory\n${shown(bytes)}`)
  }
  return outcome
}

function isRefusal(target: FuzzTarget, error: unknown): boolean {
  return (
    error instanceof OperatorError ||
    error instanceof ApiError ||
    target.isRefusal?.(error) === true
  )
}

/** A refusal is for people: a sentence that is not as long as what it is about. */
function checkMessage({ name }: FuzzTarget, { message }: Error, bytes: Buffer): void {
  const most = 1000 + 2 * bytes.length
  if (message === '' || message.length > most) {
    throw new Finding(`${name}: a message of ${message.length} characters\n${shown(bytes)}`)
  }
}

function shown(bytes: Buffer): string {
  return `input, ${bytes.length} bytes, base64: ${bytes.toString('base64')}`
}
