import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, join, relative, sep } from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { ensureDirectory } from '../sink/directory.js'
import { errnoOf } from '../sink/write-error.js'

/** A whole file that waits. */
export interface QueuedFile {
  readonly path: string
  /** The path below the queue's directory, with `/` between its parts. */
  readonly key: string
  readonly bytes: number
  /** When it was finished, in milliseconds since the epoch. */
  readonly finishedAt: number
}

export interface QueueOptions {
  /** Whole files anywhere below it are the queue; hidden ones and `.part` are not looked at. */
  readonly directory: string
  /** What the names of its files match, as of `RegExp`; others are somebody else's. Undefined: all are its own. */
  readonly names?: string | undefined
  /**
   * Where the names of delivered files are kept, one a line, so that the files can stay. Without
   * it a file is removed when it has been delivered.
   */
  readonly journal?: string | undefined
}

/** First line of a journal; after it the moment from which on files are delivered. */
const SINCE = '# files finished before this are not delivered: '

/** A file that no retry can deliver gets this after its name, and stays. */
const UNDELIVERABLE = '.undeliverable'

/**
 * The files of a directory that have yet to be delivered, oldest first. The directory is the
 * truth: it is read once, at the start or when `scan` is called, and in between told of new files.
 */
export class DeliveryQueue {
  readonly #options: QueueOptions
  readonly #waiting = new Map<string, QueuedFile>()
  /** Keys under way, which a scan must not find again. */
  readonly #taken = new Map<string, QueuedFile>()
  readonly #delivered: Set<string>
  readonly #since: number
  /** Those who wait for a file. */
  readonly #wakers = new Set<() => void>()
  #bytes = 0

  private constructor(options: QueueOptions, delivered: Set<string>, since: number) {
    this.#options = options
    this.#delivered = delivered
    this.#since = since
  }

  /** Rejects with the file system's error, or WriteError where the directory cannot be used. */
  static async open(options: QueueOptions, now: number): Promise<DeliveryQueue> {
    ensureDirectory(options.directory)
    const { journal } = options
    const { delivered, since } =
      journal === undefined
        ? { delivered: new Set<string>(), since: 0 }
        : await readJournal(journal, now)
    const queue = new DeliveryQueue(options, delivered, since)
    const found = await queue.scan()
    if (journal !== undefined) {
      // Names of files that retention has removed are of no use any more.
      for (const key of delivered) if (!found.has(key)) delivered.delete(key)
      await writeJournal(journal, since, delivered)
    }
    return queue
  }

  /** Of files that wait or are under way. */
  get paths(): readonly string[] {
    return [...this.#waiting.values(), ...this.#taken.values()].map(({ path }) => path)
  }

  /** Files that wait or are under way. */
  get files(): number {
    return this.#waiting.size + this.#taken.size
  }

  /** Bytes of those that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /** When the oldest that waits was finished, in milliseconds since the epoch. */
  get oldest(): number | undefined {
    let oldest: number | undefined
    for (const { finishedAt } of this.#waiting.values()) {
      if (oldest === undefined || finishedAt < oldest) oldest = finishedAt
    }
    return oldest
  }

  /** A file has got its final name. One of another queue, or no longer there, is not taken. */
  async add(path: string): Promise<void> {
    const key = this.#keyOf(path)
    if (key === undefined || this.#waiting.has(key) || this.#taken.has(key)) return
    if (this.#delivered.has(key)) return
    try {
      const { size, mtimeMs } = await stat(path)
      this.#put({ path, key, bytes: size, finishedAt: mtimeMs })
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
    }
  }

  /** Looks through the directory. Resolves with the keys of all its files. */
  async scan(): Promise<ReadonlySet<string>> {
    const { directory } = this.#options
    const keys = new Set<string>()
    const found: QueuedFile[] = []
    for await (const path of filesBelow(directory)) {
      const key = this.#keyOf(path)
      if (key === undefined) continue
      keys.add(key)
      if (this.#delivered.has(key) || this.#waiting.has(key) || this.#taken.has(key)) continue
      try {
        const { size, mtimeMs } = await stat(path)
        if (mtimeMs >= this.#since) found.push({ path, key, bytes: size, finishedAt: mtimeMs })
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error
      }
    }
    found.sort((a, b) => a.finishedAt - b.finishedAt || (a.key < b.key ? -1 : 1))
    for (const file of found) this.#put(file)
    return keys
  }

  /** The oldest file, as soon as there is one; undefined once the signal is aborted. */
  async take(signal: AbortSignal): Promise<QueuedFile | undefined> {
    while (!signal.aborted) {
      const first = this.#waiting.values().next()
      if (first.done !== true) {
        const file = first.value
        this.#remove(file)
        this.#taken.set(file.key, file)
        return file
      }
      await this.#added(signal)
    }
    return undefined
  }

  /** All of the file has arrived. From now on it is not found again, also by a later process. */
  async confirm(file: QueuedFile): Promise<void> {
    const { journal } = this.#options
    if (journal === undefined) await rm(file.path, { force: true })
    else {
      this.#delivered.add(file.key)
      const out = await open(journal, 'a')
      try {
        await out.write(`${file.key}\n`)
        await out.datasync()
      } finally {
        await out.close()
      }
    }
    this.#taken.delete(file.key)
  }

  /** Nothing is known of what became of the file: it waits again, before the others. */
  giveBack(file: QueuedFile): void {
    this.#taken.delete(file.key)
    const others = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#bytes = 0
    for (const one of [file, ...others]) this.#put(one)
  }

  /** Whether the file waited, and does not any more. One that is under way is dropped by whoever has it. */
  forget(path: string): boolean {
    const key = this.#keyOf(path)
    const file = key === undefined ? undefined : this.#waiting.get(key)
    if (file === undefined) return false
    this.#remove(file)
    return true
  }

  /** The file is not there any more. */
  drop(file: QueuedFile): void {
    this.#taken.delete(file.key)
  }

  /** Nobody can deliver it: it is kept under another name, for whoever wants to see why. */
  async setAside(file: QueuedFile): Promise<string> {
    const path = file.path + UNDELIVERABLE
    await rename(file.path, path)
    this.#taken.delete(file.key)
    return path
  }

  #put(file: QueuedFile): void {
    this.#waiting.set(file.key, file)
    this.#bytes += file.bytes
    for (const wake of [...this.#wakers]) wake()
  }

  #remove(file: QueuedFile): void {
    this.#waiting.delete(file.key)
    this.#bytes -= file.bytes
  }

  #added(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake)
        this.#wakers.delete(wake)
        resolve()
      }
      this.#wakers.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }

  #keyOf(path: string): string | undefined {
    const { directory, names } = this.#options
    const name = basename(path)
    if (name.startsWith('.') || name.endsWith('.part') || name.endsWith(UNDELIVERABLE)) {
      return undefined
    }
    if (names !== undefined && !new RegExp(names).test(name)) return undefined
    const key = relative(directory, path)
    return key.startsWith('..') ? undefined : key.split(sep).join('/')
  }
}

async function* filesBelow(directory: string): AsyncGenerator<string> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isFile()) yield path
    else if (entry.isDirectory() && !entry.name.startsWith('.')) yield* filesBelow(path)
  }
}

/** A line that a crash has cut names no file; the file is delivered again, under its own name. */
async function readJournal(
  path: string,
  now: number,
): Promise<{ delivered: Set<string>; since: number }> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    return { delivered: new Set(), since: now }
  }
  const [first = '', ...keys] = text.split('\n')
  const isWhole = keys.length > 0 && first.startsWith(SINCE)
  const since = isWhole ? Date.parse(first.slice(SINCE.length)) : Number.NaN
  keys.pop()
  return { delivered: new Set(keys), since: Number.isNaN(since) ? 0 : since }
}

async function writeJournal(
  path: string,
  since: number,
  delivered: ReadonlySet<string>,
): Promise<void> {
  const lines = [SINCE + new Date(since).toISOString(), ...delivered]
  await writeFileAtomic(path, `${lines.join('\n')}\n`, { mode: 0o600 })
}
