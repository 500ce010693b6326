import { readFile } from 'node:fs/promises'
import { OperatorError } from '../errors.js'
import { ReadError } from '../sink/read-error.js'
import { errnoOf } from '../sink/write-error.js'
import { type State, TABLES } from './state.js'
import { journalOf, type Replay, replay } from './state-journal.js'
import { STATE_HEADER, STATE_SCHEMA, STATE_VERSION } from './state-schema.js'

/** Another process may be replacing both files. */
const TRIES = 5

/**
 * The state of a file and its journal, what is wrong with the file in a few words, or undefined
 * where there is none. Throws OperatorError for a file that cannot be read or that a later version wrote.
 */
export async function readStateFiles(path: string): Promise<Replay | string | undefined> {
  for (let count = 1; ; count++) {
    const text = await textOf(path)
    if (text === undefined) return undefined
    const journal = await textOf(journalOf(path))
    if (count < TRIES && (await textOf(path)) !== text) continue
    const found = readState(text, path)
    if (typeof found === 'string') return found
    if (journal === undefined || found.journal === undefined) {
      return { state: found.state, damage: undefined }
    }
    return replay(found.state, journal, found.journal)
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw new ReadError('the state', path, error)
  }
}

function readState(
  text: string,
  path: string,
): { state: State; journal?: string | undefined } | string {
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
  const { interfaces, targets, filters, sessions, flowLogs, tokens, journal } = checked.data
  const { followed, applianceTags = [] } = checked.data
  const resources = {
    interfaces: byId(interfaces),
    targets: byId(targets),
    filters: byId(filters),
    sessions: byId(sessions),
    flowLogs: byId(flowLogs),
  }
  for (const table of TABLES) {
    if (resources[table].size < checked.data[table].length) return `${table}: an id is there twice`
  }
  const uses = tokens.map(({ key, ...use }) => [key, use] as const)
  return {
    state: {
      resources,
      tokens: new Map(uses),
      declared: new Set(),
      followed: followed && { ...followed, ids: new Set(followed.ids) },
      applianceTags,
    },
    journal,
  }
}

function byId<R extends { readonly id: string }>(list: readonly R[]): ReadonlyMap<string, R> {
  return new Map(list.map((resource) => [resource.id, resource]))
}
