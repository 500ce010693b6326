import { resolve } from 'node:path'
import { OperatorError } from '../errors.js'
import { CaptureInput } from '../pcap/capture-input.js'
import { COMPRESSION_MAGIC_LEN, compressionOf } from '../pcap/decompressor.js'
import { formOf, HEAD_LEN, type InputForm } from './input-form.js'
import type { RecordFormat } from './record-format.js'

/** What was named on the command line, by what it is. */
export interface QueryFiles {
  readonly captures: readonly string[]
  readonly logs: readonly FlowLogFile[]
  readonly parquets: readonly ParquetFile[]
  /** What is none of these. */
  readonly others: readonly OtherFile[]
  /** Standard input and pipes, whose beginning has been looked at; others are opened when they are read. */
  readonly pipes: ReadonlyMap<string, CaptureInput>
}

/** A flow log as text, in whatever form. */
export interface FlowLogFile {
  /** As the command line has it. */
  readonly name: string
  /** Absolute. */
  readonly path: string
  readonly form: Extract<InputForm, { is: 'log' }>
}

interface OtherFile {
  readonly name: string
  /** A line that says what it is, or why it cannot be read. */
  readonly problem: string
}

export interface ParquetFile {
  /** As the command line has it. */
  readonly name: string
  /** Absolute. */
  readonly path: string
}

/**
 * Tells by its first bytes what each file is; `expected` is the format of flow logs without a header, where
 * the command line says it. Throws OperatorError (exit code 2) for names that DuckDB cannot be given.
 */
export async function sortFiles(
  names: readonly string[],
  expected: RecordFormat | undefined,
): Promise<QueryFiles> {
  const captures: string[] = []
  const logs: FlowLogFile[] = []
  const parquets: ParquetFile[] = []
  const others: OtherFile[] = []
  const pipes = new Map<string, CaptureInput>()
  for (const name of names) {
    let form: InputForm
    try {
      form = await lookAt(name, expected, pipes)
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error
      others.push({ name, problem: error.message })
      continue
    }
    const path = resolve(name)
    if (form.is === 'capture') captures.push(name)
    else if (form.is === 'log') logs.push({ name, path, form })
    else if (form.is === 'unknown') {
      others.push({ name, problem: `${messageName(name)} ${form.because}` })
    } else if (pipes.has(name)) {
      const problem = `${messageName(name)} is Parquet, which can be read from a file alone: name one`
      others.push({ name, problem })
    } else {
      if (isPattern(path)) {
        throw new OperatorError(`${name}: rename it without *, ?, [ and ] for a query`, {
          exitCode: 2,
        })
      }
      parquets.push({ name, path })
    }
  }
  return { captures, logs, parquets, others, pipes }
}

/** DuckDB would take these for a pattern. */
export function isPattern(path: string): boolean {
  return /[*?[\]]/.test(path)
}

/** As messages call it. */
export function messageName(name: string): string {
  return name === '-' ? 'standard input' : name
}

async function lookAt(
  name: string,
  expected: RecordFormat | undefined,
  pipes: Map<string, CaptureInput>,
): Promise<InputForm> {
  const input = await CaptureInput.open(name)
  let isKept = false
  try {
    // Of a pipe no more is awaited than tells what it is: who writes to it may be slow.
    const head = await input.head(HEAD_LEN, isTelling)
    if (!input.isFile || name === '-') {
      isKept = true
      pipes.set(name, input)
    }
    return await formOf(head, input.name, expected)
  } finally {
    if (!isKept) await input.close()
  }
}

/** What is neither compressed nor text. */
function isTelling(head: Buffer): boolean {
  if (head.length < COMPRESSION_MAGIC_LEN || compressionOf(head) !== 'none') return false
  return !head.subarray(0, COMPRESSION_MAGIC_LEN).every((byte) => byte >= 0x09 && byte < 0x7f)
}
