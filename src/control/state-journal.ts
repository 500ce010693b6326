import { createHash } from 'node:crypto'
import { withToken } from './client-tokens.js'
import type { Change, State, TokenUse } from './state.js'
import { CHANGES_SCHEMA } from './state-schema.js'

/**
 * What was changed since a state file was written whole: a file beside it, to which each save
 * appends one line. A line is a checksum of 16 hexadecimal digits, a space and JSON. The first
 * names the state file that the others continue.
 */
export function journalOf(stateFile: string): string {
  return `${stateFile}.journal`
}

/** What one save adds. */
export interface StateChanges {
  readonly changes: readonly Change[]
  readonly tokenUses: readonly (readonly [key: string, use: TokenUse])[]
}

export function journalHeader(name: string): string {
  return lineOf({ journal: name })
}

/** One line, so that a save is there whole or not at all. */
export function journalLine({ changes, tokenUses }: StateChanges): string {
  const list = changes.map(({ table, id, after }) => [table, id, after ?? null])
  return lineOf({ changes: list, tokens: tokenUses })
}

export interface Replay {
  readonly state: State
  /** What is wrong with the journal, in a few words. The state is as of what is before that. */
  readonly damage: string | undefined
}

/**
 * The state after what the journal says, where it continues the state file of this name. An
 * incomplete end is what was being written when the process was killed, so that nobody was
 * answered: it counts for nothing. The same in the midst of the file is damage.
 */
export function replay(state: State, text: string, name: string): Replay {
  const lines = text.split('\n')
  const header = contentOf(lines[0]!)
  if (header !== undefined && (header as { journal?: unknown } | null)?.journal !== name) {
    return { state, damage: undefined }
  }
  let next = state
  for (const [index, line] of lines.entries()) {
    const content = contentOf(line)
    if (content === undefined) {
      const goesOn = lines.slice(index + 1).some((later) => contentOf(later) !== undefined)
      return { state: next, damage: goesOn ? `line ${index + 1}` : undefined }
    }
    if (index === 0) continue
    const checked = CHANGES_SCHEMA.safeParse(content)
    if (!checked.success) {
      const issue = checked.error.issues[0]!
      return { state: next, damage: `line ${index + 1}: ${issue.path.join('.')}: ${issue.message}` }
    }
    next = index === 1 ? copyOf(next) : next
    for (const [table, id, after] of checked.data.changes) {
      const map = next.resources[table] as Map<string, object>
      if (after === null) map.delete(id)
      else map.set(id, after)
    }
    for (const [key, use] of checked.data.tokens) {
      next = { ...next, tokens: withToken(next.tokens, key, use) }
    }
  }
  return { state: next, damage: undefined }
}

function copyOf({ resources, ...state }: State): State {
  const { interfaces, targets, filters, sessions, flowLogs } = resources
  return {
    ...state,
    resources: {
      interfaces: new Map(interfaces),
      targets: new Map(targets),
      filters: new Map(filters),
      sessions: new Map(sessions),
      flowLogs: new Map(flowLogs),
    },
  }
}

function lineOf(content: object): string {
  const json = JSON.stringify(content)
  return `${checksum(json)} ${json}\n`
}

/** undefined: not a whole line, or one that somebody else wrote. */
function contentOf(line: string): unknown {
  const json = line.slice(CHECKSUM_LEN + 1)
  if (line[CHECKSUM_LEN] !== ' ' || !line.startsWith(checksum(json))) return undefined
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

const CHECKSUM_LEN = 16

function checksum(json: string): string {
  return createHash('sha256').update(json).digest('hex').slice(0, CHECKSUM_LEN)
}
