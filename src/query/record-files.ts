import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { OperatorError } from '../errors.js'
import { formatKey, type RecordFormat } from './record-format.js'
import type { RecordOutput } from './record-lines.js'

/** Formats of one flow log; of joined logs each may have its own. */
const FORMATS_MAX = 32
const BLOCK_LEN = 1024 * 1024

/** Where records are kept for DuckDB to read, and how many bytes of them there may be in all. */
export class RecordStore {
  readonly #directory: string
  readonly #limit: number
  #files = 0
  /** Bytes written. */
  used = 0
  /** Nothing more can be written. */
  isFull = false

  /** `directory` is made and removed by the caller. */
  constructor(directory: string, limit: number) {
    this.#directory = directory
    this.#limit = limit
  }

  newPath(): string {
    return join(this.#directory, `records-${++this.#files}`)
  }

  /** Writes to a file of the store. Throws OperatorError when there is no room. */
  write(fd: number, bytes: Buffer): void {
    this.used += bytes.length
    if (this.used > this.#limit) {
      this.isFull = true
      throw new OperatorError(
        `the flow logs have more than the ${this.#limit} bytes of records that --temporary-limit allows; raise it, or query fewer files at a time`,
      )
    }
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
    } catch (error) {
      this.isFull = true
      throw new OperatorError(
        `the temporary directory cannot be written to: ${(error as Error).message}; free some space, or set TMPDIR to another directory`,
        { cause: error },
      )
    }
  }
}

/** Records of one format in a file. */
export interface RecordFile {
  readonly format: RecordFormat
  readonly path: string
}

interface OpenFile extends RecordFile {
  readonly fd: number
}

/** The records of one flow log, in a file for each format. Throws OperatorError when the disk has no room. */
export class RecordFiles implements RecordOutput {
  readonly files: RecordFile[] = []
  readonly #store: RecordStore
  readonly #open = new Map<string, OpenFile>()
  readonly #block = Buffer.allocUnsafeSlow(BLOCK_LEN)
  #filled = 0
  #file: OpenFile | undefined

  constructor(store: RecordStore) {
    this.#store = store
  }

  begin(format: RecordFormat): boolean {
    const key = formatKey(format)
    const known = this.#open.get(key)
    if (known === undefined && this.#open.size === FORMATS_MAX) return false
    this.#flush()
    this.#file = known
    if (known === undefined) {
      const path = this.#store.newPath()
      this.#file = { format, path, fd: openSync(path, 'w', 0o600) }
      this.#open.set(key, this.#file)
      this.files.push(this.#file)
    }
    return true
  }

  write(bytes: Buffer, start: number, end: number): void {
    for (let at = start; at < end; ) {
      if (this.#filled === BLOCK_LEN) this.#flush()
      const copied = bytes.copy(this.#block, this.#filled, at, end)
      this.#filled += copied
      at += copied
    }
  }

  close(): void {
    try {
      this.#flush()
    } finally {
      for (const { fd } of this.#open.values()) closeSync(fd)
      this.#open.clear()
    }
  }

  #flush(): void {
    const length = this.#filled
    this.#filled = 0
    if (length > 0) this.#store.write(this.#file!.fd, this.#block.subarray(0, length))
  }
}
