import type { Draft } from './draft.js'
import { checkRule } from './filter-rules.js'
import { checkFlowLog } from './flow-logs.js'
import { unknownId } from './ids.js'
import { checkSession } from './sessions.js'
import { type ResourceOf, TABLES, type Table } from './state.js'
import { checkTarget } from './targets.js'

/** Resources with their ids, as the configuration has them. */
export type Declaration = { readonly [T in Table]?: readonly ResourceOf[T][] | undefined }

/**
 * Puts the declared resources into the draft, instead of saved ones with their ids. Throws
 * Refusal for the first that cannot be, and gives `onProblem` a line for each saved
 * one that is replaced or has lost what it refers to.
 */
export function checkDeclared(
  draft: Draft,
  declaration: Declaration,
  onProblem: (line: string) => void,
): void {
  for (const table of TABLES) putAll(draft, table, declaration[table] ?? [], onProblem)

  for (const target of declaration.targets ?? []) checkTarget(draft, target)
  for (const filter of declaration.filters ?? []) {
    for (const rule of filter.rules) checkRule(filter, rule)
  }
  const declared = new Set(declaration.sessions?.map(({ id }) => id))
  const { sessions, targets, filters } = draft.resources
  for (const session of sessions.values()) {
    const { id, targetId, filterId } = session
    const lost = targets.has(targetId)
      ? filters.has(filterId)
        ? undefined
        : unknownId('tmf', filterId)
      : unknownId('tmt', targetId)
    if (declared.has(id)) {
      if (lost !== undefined) throw lost
      checkSession(draft, session)
    } else if (lost !== undefined) {
      onProblem(`${lost.message}: ${id} mirrors nothing until it is modified or deleted`)
    }
  }
  for (const flowLog of declaration.flowLogs ?? []) checkFlowLog(draft, flowLog)
}

function putAll<T extends Table>(
  draft: Draft,
  table: T,
  resources: readonly ResourceOf[T][],
  onProblem: (line: string) => void,
): void {
  for (const resource of resources) {
    if (draft.resources[table].has(resource.id)) {
      onProblem(`${resource.id} is declared in the configuration, which replaces the saved one`)
    }
    draft.put(table, resource)
  }
}
