import type { Input } from './action.js'
import type { Parameter } from './form.js'

/** `TagSpecification.1.Tag.2.Value` has five. */
const DEPTH_MAX = 10

/** The longest lists AWS takes have 1000 entries, of a few parameters each. */
export const PARAMETERS_MAX = 10_000

/** A parameter on its way: its value, or what the names below it say. */
type Branch = Map<string, Node>
type Node = string | Branch

/**
 * Nests the parameters of an EC2 query at the dots of their names, as `Input` describes. Where
 * they contradict each other, answers with a sentence that says which.
 */
export function nestParameters(parameters: readonly Parameter[]): Input | string {
  if (parameters.length > PARAMETERS_MAX) return `There are more than ${PARAMETERS_MAX} parameters.`
  const root: Branch = new Map()
  for (const [name, value] of parameters) {
    const path = name.split('.')
    if (path.includes('') || path.length > DEPTH_MAX) {
      return `The parameter name ${quote(name)} is not valid.`
    }
    if (!put(root, path, value)) {
      return `The parameter ${quote(name)} is given twice, or as a value and as a structure.`
    }
  }
  const input: Record<string, unknown> = Object.create(null)
  for (const [name, node] of root) {
    const value = inputValue(node)
    if (value === undefined) return `The parameter ${quote(name)} is both a list and a structure.`
    input[name] = value
  }
  return input
}

/** False when the place is taken. */
function put(root: Branch, path: readonly string[], value: string): boolean {
  let branch = root
  for (const part of path.slice(0, -1)) {
    let next = branch.get(part)
    if (next === undefined) {
      next = new Map()
      branch.set(part, next)
    }
    if (typeof next === 'string') return false
    branch = next
  }
  const last = path[path.length - 1]!
  if (branch.has(last)) return false
  branch.set(last, value)
  return true
}

/** A string, an array, or an object without a prototype; undefined for names and indexes side by side. */
function inputValue(node: Node): unknown {
  if (typeof node === 'string') return node
  const names = [...node.keys()]
  const indexes = names.filter((name) => /^\d{1,9}$/.test(name))
  if (indexes.length === 0) return objectOf(node)
  if (indexes.length < names.length) return undefined
  const values: unknown[] = []
  let before = -1
  for (const name of indexes.sort((a, b) => Number(a) - Number(b))) {
    const value = inputValue(node.get(name)!)
    // `List.1` and `List.01`.
    if (value === undefined || Number(name) === before) return undefined
    before = Number(name)
    values.push(value)
  }
  return values
}

function objectOf(branch: Branch): object | undefined {
  const object: Record<string, unknown> = Object.create(null)
  for (const [name, node] of branch) {
    const value = inputValue(node)
    if (value === undefined) return undefined
    object[name] = value
  }
  return object
}

function quote(name: string): string {
  return `'${name.slice(0, 100)}'`
}
