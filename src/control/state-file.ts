import { existsSync } from 'node:fs'
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { OperatorError } from '../errors.js'
import { syncDirectory } from '../sink/directory.js'
import { ReadError } from '../sink/read-error.js'
import { errnoOf, WriteError } from '../sink/write-error.js'
import { EMPTY_STATE, type State, TABLES } from './state.js'
import { STATE_HEADER, STATE_SCHEMA, STATE_VERSION } from './state-schema.js'

/** How write-file-atomic ends the name of a file that is to be renamed: with a hash, longer than numbers of people's copies. */
const LEFT_OVER = /^\.\d{6,10}$/

/**
 * The control plane's state as JSON, a line for each resource. Replaced whole: a reader, or
 * the next start after a crash, finds the old file or the new one.
 */
export class StateFile {
  readonly #path: string
  /** The JSON of what is in the state. Resources are never changed, only replaced, so each is written out once. */
  readonly #lines = new WeakMap<object, string>()
  /** Of the file as this process left it. */
  #identity: string | undefined

  constructor(path: string) {
    this.#path = path
  }

  /**
   * The state in the file, or an empty one when there is none. A damaged file is renamed to
   * `<file>.damaged-<time>`, and `onProblem` gets a line that says so. Throws OperatorError when
   * the file cannot be read, renamed or written, or a later version wrote it.
   */
  async open(onProblem: (line: string) => void): Promise<State> {
    const text = await this.#read()
    await this.#removeLeftOvers()
    const found = text === undefined ? EMPTY_STATE : readState(text, this.#path)
    if (typeof found !== 'string') {
      this.#identity = await this.#identify()
      // Says now, and not at the first change, when it cannot be written.
      await this.write(found)
      return found
    }
    const aside = await this.#putAside()
    onProblem(`${this.#path} is damaged (${found}); it is kept as ${aside}, and a new one begun`)
    await this.write(EMPTY_STATE)
    return EMPTY_STATE
  }

  /** Resolves when the state would survive a power failure. Throws OperatorError; the old file is there then. */
  async write(state: State): Promise<void> {
    const found = await this.#identify()
    if (found !== undefined && found !== this.#identity) {
      throw new OperatorError(
        `${this.#path} was changed by another process: give each its own state file, and restart this one`,
      )
    }
    try {
      await writeFileAtomic(this.#path, this.#format(state), { mode: 0o600 })
      await syncDirectory(dirname(this.#path))
    } catch (error) {
      throw new WriteError(this.#path, error)
    } finally {
      this.#identity = await this.#identify()
    }
  }

  async #read(): Promise<string | undefined> {
    try {
      return await readFile(this.#path, 'utf8')
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw new ReadError('the state', this.#path, error)
    }
  }

  /** What a killed process had not yet renamed: whoever asked for it was never answered. */
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

  async #putAside(): Promise<string> {
    const time = new Date().toISOString().replace(/[-:]/g, '')
    let aside = `${this.#path}.damaged-${time}`
    for (let count = 2; existsSync(aside); count++) {
      aside = `${this.#path}.damaged-${time}-${count}`
    }
    try {
      await rename(this.#path, aside)
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

  #format(state: State): string {
    const lists = TABLES.map((table) => {
      const lines = [...state.resources[table].values()]
        .filter(({ id }) => !state.declared.has(id))
        .map((resource) => this.#line(resource, resource))
      return `"${table}":${listText(lines)}`
    })
    const tokens = [...state.tokens].map(([key, use]) => this.#line(use, { key, ...use }))
    if (state.applianceTags.length > 0) {
      lists.push(`"applianceTags":${JSON.stringify(state.applianceTags)}`)
    }
    return `{"version":${STATE_VERSION},\n${lists.join(',\n')},\n"tokens":${listText(tokens)}}\n`
  }

  #line(of: object, content: object): string {
    let line = this.#lines.get(of)
    if (line === undefined) {
      line = JSON.stringify(content)
      this.#lines.set(of, line)
    }
    return line
  }
}

function listText(lines: readonly string[]): string {
  return lines.length === 0 ? '[]' : `[\n${lines.join(',\n')}]`
}

/** The state, or what is wrong with it in a few words. Throws OperatorError for a file of a later version. */
function readState(text: string, path: string): State | string {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    return 'not JSON'
  }
  const header = STATE_HEADER.safeParse(content)
  if (header.success && header.data.version > STATE_VERSION) {
    throw new OperatorError(
      `${path} was written by a later mirrortap (version ${header.data.version}): use that one, or name another file`,
    )
  }
  const checked = STATE_SCHEMA.safeParse(content)
  if (!checked.success) {
    const issue = checked.error.issues[0]!
    return `${issue.path.join('.') || 'the whole'}: ${issue.message}`
  }
  const { targets, filters, sessions, flowLogs, tokens, applianceTags = [] } = checked.data
  const resources = {
    targets: byId(targets),
    filters: byId(filters),
    sessions: byId(sessions),
    flowLogs: byId(flowLogs),
  }
  for (const table of TABLES) {
    if (resources[table].size < checked.data[table].length) return `${table}: an id is there twice`
  }
  const uses = tokens.map(({ key, ...use }) => [key, use] as const)
  return { resources, tokens: new Map(uses), declared: new Set(), applianceTags }
}

function byId<R extends { readonly id: string }>(list: readonly R[]): ReadonlyMap<string, R> {
  return new Map(list.map((resource) => [resource.id, resource]))
}
