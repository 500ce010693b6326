import { randomInt, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { type FileHandle, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { OperatorError } from '../errors.js'
import { syncDirectory } from '../sink/directory.js'
import { Disk } from '../sink/disk.js'
import { errnoOf, WriteError } from '../sink/write-error.js'
import { EMPTY_STATE, type State, TABLES } from './state.js'
import { journalHeader, journalLine, journalOf, type StateChanges } from './state-journal.js'
import { readStateFiles } from './state-reader.js'
import { STATE_VERSION } from './state-schema.js'

/** How the name of a file ends that is to be renamed: with a number longer than those of people's copies. */
const LEFT_OVER = /^\.\d{6,10}$/

/** In place of the first digit of a line's checksum until the line is to count. */
const UNCOMMITTED = '-'.charCodeAt(0)

/** Whether what is on the disk by now is to count; asked once, and no answer is taken back. */
export type MayCommit = () => boolean

/** How much a journal may hold before the file is written whole again, where the file itself is smaller. */
const JOURNAL_BYTES_MIN = 1024 * 1024

interface Journal {
  readonly name: string
  /** Bytes of whole lines. */
  length: number
  readonly lengthMax: number
}

/**
 * The control plane's state: JSON, a line for each resource, and a journal of what was changed
 * since. A save appends to the journal, so that it costs what the change is and not what there
 * is. When the journal is as long as the file, the file is replaced whole and another journal
 * begins: a reader, or the next start after a crash, finds the old pair or the new one.
 */
export class StateFile {
  readonly disk = new Disk()
  #path: string
  /** Of the file as this process left it. */
  #identity: string | undefined
  /** What continues the file; undefined where the file has to be written whole. */
  #journal: Journal | undefined
  /** What the file was written with and no journal changes: what is declared or followed, and the appliance's tags. */
  #untold: readonly unknown[] = []

  constructor(path: string) {
    this.#path = path
  }

  /**
   * The state in the file and its journal, or an empty one when there is none. A damaged file is
   * renamed to `<file>.damaged-<time>`, and `onProblem` gets a line that says so; of a damaged
   * journal the part before the damage counts. Throws OperatorError when the file cannot be
   * read, renamed or written, or a later version wrote it.
   */
  async open(onProblem: (line: string) => void): Promise<State> {
    // A link and its file have one journal.
    this.#path = await realpath(this.#path).catch(() => this.#path)
    const found = await readStateFiles(this.#path)
    await this.#removeLeftOvers()
    this.#identity = await this.#identify()
    let state = EMPTY_STATE
    if (typeof found === 'string') {
      const aside = await this.#putAside(this.#path)
      if (existsSync(journalOf(this.#path))) await this.#putAside(journalOf(this.#path))
      this.#identity = undefined
      onProblem(`${this.#path} is damaged (${found}); it is kept as ${aside}, and a new one begun`)
    } else if (found !== undefined) {
      state = found.state
      if (found.damage !== undefined) {
        const journal = journalOf(this.#path)
        const aside = await this.#putAside(journal)
        onProblem(
          `${journal} is damaged (${found.damage}); it is kept as ${aside}, and what it says from there on is lost`,
        )
      }
    }
    // Says now, and not at the first change, when it cannot be written.
    await this.write(state)
    return state
  }

  /**
   * Resolves when the state would survive a power failure. `changes` lead to it from the state
   * saved before; without them all of it is written. Throws OperatorError; the state before is there then.
   *
   * All is on the disk, and counts for nothing yet, when `mayCommit` is asked; then one byte, or a rename, makes
   * it count. So what is refused meanwhile is never read again, whenever the process is killed.
   */
  write(state: State, changes?: StateChanges, mayCommit: MayCommit = () => true): Promise<void> {
    return this.disk.run(() => this.#write(state, changes, mayCommit))
  }

  async #write(
    state: State,
    changes: StateChanges | undefined,
    mayCommit: MayCommit,
  ): Promise<void> {
    const found = await this.#identify()
    if (found !== undefined && found !== this.#identity) throw this.#taken()
    const journal = this.#journal
    if (changes === undefined || journal === undefined || found === undefined) {
      await this.#writeWhole(state, mayCommit)
    } else if (journal.length > journal.lengthMax || this.#needsWhole(state)) {
      await this.#writeWhole(state, mayCommit)
    } else {
      await this.#append(journal, journalLine(changes), mayCommit)
    }
  }

  /** Writes what the journal has into the file. Nothing is lost where that fails: throws OperatorError. */
  async close(state: State): Promise<void> {
    if (this.#journal !== undefined && this.#journal.length > 0) await this.write(state)
  }

  #needsWhole(state: State): boolean {
    return untoldOf(state).some((value, index) => value !== this.#untold[index])
  }

  async #writeWhole(state: State, mayCommit: MayCommit): Promise<void> {
    const before = this.#journal
    this.#journal = undefined
    const name = randomUUID()
    const text = this.#format(state, name)
    const temporary = `${this.#path}.${randomInt(1e9, 1e10)}`
    try {
      await writeTemporary(temporary, text, this.#path)
      if (!mayCommit()) {
        await rm(temporary)
        this.#journal = before
        return
      }
      await rename(temporary, this.#path)
      await syncDirectory(dirname(this.#path))
      // It continues the file before; should it be there again after a crash, its name says so.
      await rm(journalOf(this.#path), { force: true })
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      throw new WriteError(this.#path, error)
    } finally {
      this.#identity = await this.#identify()
    }
    this.#journal = { name, length: 0, lengthMax: Math.max(JOURNAL_BYTES_MIN, text.length) }
    this.#untold = untoldOf(state)
  }

  async #append(journal: Journal, line: string, mayCommit: MayCommit): Promise<void> {
    const path = journalOf(this.#path)
    const isNew = journal.length === 0
    const header = isNew ? journalHeader(journal.name) : ''
    const bytes = Buffer.from(header + line)
    const digit = bytes.subarray(header.length, header.length + 1)
    const committed = Buffer.from(digit)
    digit[0] = UNCOMMITTED
    // Until it is known to be on the disk, the next save had better write everything.
    this.#journal = undefined
    try {
      const file = await open(path, isNew ? 'w' : 'r+', 0o600)
      try {
        if ((await file.stat()).size !== journal.length) {
          this.#journal = journal
          throw this.#taken()
        }
        await writeAt(file, bytes, journal.length)
        if (isNew) await syncDirectory(dirname(path))
        if (!mayCommit()) {
          await file.truncate(journal.length)
          this.#journal = journal
          return
        }
        await writeAt(file, committed, journal.length + header.length)
      } catch (error) {
        // What goes wrong here too is no news: the next save writes everything, under another name.
        if (this.#journal === undefined) await file.truncate(journal.length).catch(() => undefined)
        throw error
      } finally {
        await file.close()
      }
    } catch (error) {
      throw error instanceof OperatorError ? error : new WriteError(path, error)
    }
    journal.length += bytes.length
    this.#journal = journal
  }

  #taken(): OperatorError {
    return new OperatorError(
      `${this.#path} was changed by another process: give each its own state file, and restart this one`,
    )
  }

  async #removeLeftOvers(): Promise<void> {
    const directory = dirname(this.#path)
    const name = basename(this.#path)
    try {
      for (const found of await readdir(directory)) {
        const isLeftOver = found.startsWith(name) && LEFT_OVER.test(found.slice(name.length))
        if (isLeftOver) await rm(join(directory, found), { force: true })
      }
    } catch (error) {
      throw new WriteError(directory, error)
    }
  }

  async #putAside(path: string): Promise<string> {
    const time = new Date().toISOString().replace(/[-:]/g, '')
    let aside = `${path}.damaged-${time}`
    for (let count = 2; existsSync(aside); count++) {
      aside = `${path}.damaged-${time}-${count}`
    }
    try {
      await rename(path, aside)
    } catch (error) {
      throw new WriteError(aside, error)
    }
    return aside
  }

  async #identify(): Promise<string | undefined> {
    try {
      const { ino, size, mtimeNs } = await stat(this.#path, { bigint: true })
      return `${ino} ${size} ${mtimeNs}`
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw new WriteError(this.#path, error)
    }
  }

  #format(state: State, journal: string): string {
    const lists = TABLES.map((table) => {
      const lines = [...state.resources[table].values()]
        .filter(({ id }) => !state.declared.has(id))
        .map((resource) => JSON.stringify(resource))
      return `"${table}":${listText(lines)}`
    })
    const tokens = [...state.tokens].map(([key, use]) => JSON.stringify({ key, ...use }))
    if (state.applianceTags.length > 0) {
      lists.push(`"applianceTags":${JSON.stringify(state.applianceTags)}`)
    }
    if (state.followed !== undefined) {
      const followed = { ...state.followed, ids: [...state.followed.ids] }
      lists.push(`"followed":${JSON.stringify(followed)}`)
    }
    const header = `"version":${STATE_VERSION},"journal":"${journal}"`
    return `{${header},\n${lists.join(',\n')},\n"tokens":${listText(tokens)}}\n`
  }
}

function untoldOf({ declared, followed, applianceTags }: State): readonly unknown[] {
  return [declared, followed, applianceTags]
}

/** Writes all of `bytes` from `at` on, to the disk. */
async function writeAt(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
  }
  await file.datasync()
}

/** Writes a file that is to take the place of another, and to belong to the same user. */
async function writeTemporary(path: string, text: string, inPlaceOf: string): Promise<void> {
  const owner = await stat(inPlaceOf).catch(() => undefined)
  const file = await open(path, 'wx', 0o600)
  try {
    // Who may not give files away keeps it.
    if (owner !== undefined) await file.chown(owner.uid, owner.gid).catch(() => undefined)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

function listText(lines: readonly string[]): string {
  return lines.length === 0 ? '[]' : `[\n${lines.join(',\n')}]`
}
