import { readFileSync } from 'node:fs'
import { type Document, isMap, isNode, LineCounter, parseDocument, visit } from 'yaml'
import type { z } from 'zod'
import { OperatorError } from '../errors.js'
import { ReadError } from '../sink/read-error.js'

/** As much of a wrong value as a line can show. */
const SHOWN_MAX = 40

/** A YAML file, read and parsed once, whoever takes what from it. */
export class YamlFile {
  /** As messages call it. */
  readonly name: string
  readonly #lines = new LineCounter()
  readonly #document: Document.Parsed
  readonly #value: unknown

  /** `what` is what the file is for, such as `the configuration`. Throws ReadError, or what the constructor throws. */
  static read(what: string, path: string): YamlFile {
    try {
      return new YamlFile(path, readFileSync(path, 'utf8'))
    } catch (error) {
      throw error instanceof OperatorError ? error : new ReadError(what, path, error)
    }
  }

  /** Throws OperatorError (exit code 2) with `name`, the line and what is wrong there. */
  constructor(name: string, source: string) {
    this.name = name
    this.#document = parseDocument(source, {
      lineCounter: this.#lines,
      prettyErrors: false,
      // Keys that are no text are refused by the schemas, like other unknown ones.
      logLevel: 'error',
    })
    const [error] = this.#document.errors
    if (error !== undefined) throw this.#problemAt(error.pos[0], error.message.split('\n')[0]!)
    this.#value = plainValueOf(this.#document, (offset, message) =>
      this.#problemAt(offset, message),
    )
  }

  /**
   * What the file holds, as `schema` takes it. Throws OperatorError (exit code 2) with the name,
   * the line and the first thing that is wrong there; the messages of the schema's issues are to
   * be sentences without a subject, as those of schema-fields.ts are.
   */
  valueOf<T extends z.ZodType>(schema: T): z.output<T> {
    return checked(this.#value, schema, (path, said) =>
      this.#problemAt(offsetOf(this.#document, path), said),
    )
  }

  /** The line of a key of the outermost map. */
  lineOf(key: string): number {
    return this.#lines.linePos(offsetOf(this.#document, [key])).line
  }

  #problemAt(offset: number, message: string): OperatorError {
    const { line } = this.#lines.linePos(offset)
    return new OperatorError(`${this.name}:${line}: ${message}`, { exitCode: 2 })
  }
}

type Path = readonly (string | number)[]

/** The value as `schema` has it. Throws what `refuse` makes of the first thing that is wrong, and where. */
export function checked<T extends z.ZodType>(
  value: unknown,
  schema: T,
  refuse: (path: Path, said: string) => Error,
): z.output<T> {
  const result = schema.safeParse(value)
  if (result.success) return result.data

  // A name that is not known may well be the misspelling of one that is missing.
  const { issues } = result.error
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!
  const unknown = issue.code === 'unrecognized_keys' ? [issue.keys[0]!] : []
  const path = [...issue.path, ...unknown] as (string | number)[]
  const isComplete = issue.code === 'custom' && issue.params?.['isComplete'] === true
  const found = isComplete ? undefined : valueAt(value, path)
  const shown = typeof found === 'object' || found === undefined ? '' : `, not ${inShort(found)}`
  const said = `${placeOf(path)} ${issue.message}${unknown.length > 0 ? '' : shown}`
  throw refuse(path, said.trimStart())
}

/** What the document holds; throws what `refuse` makes of aliases that cannot be followed. */
function plainValueOf(
  document: Document.Parsed,
  refuse: (offset: number, message: string) => Error,
): unknown {
  try {
    return document.toJS()
  } catch (error) {
    let offset = 0
    visit(document, {
      Alias: (_key, alias) => {
        if (alias.resolve(document) !== undefined) return undefined
        offset = alias.range?.[0] ?? 0
        return visit.BREAK
      },
    })
    throw refuse(offset, (error as Error).message)
  }
}

/** `TrafficMirrorFilters[0].IngressFilterRules[2].RuleAction`. */
function placeOf(path: Path): string {
  return path.length === 0
    ? 'the file'
    : path
        .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
        .join('')
        .replace(/^\./, '')
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value
  for (const step of path) at = (at as Record<string | number, unknown> | undefined)?.[step]
  return at
}

function inShort(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text
}

/** Where the member at `path` begins in the text, its key if it has one; of one that is not there, what it should be in. */
function offsetOf(document: Document.Parsed, path: Path): number {
  const parent = document.getIn(path.slice(0, -1), true)
  if (path.length > 0 && isMap(parent)) {
    const pair = parent.items.find(({ key }) => isNode(key) && String(key) === String(path.at(-1)))
    if (pair !== undefined && isNode(pair.key)) return pair.key.range?.[0] ?? 0
  }
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true)
    if (isNode(node)) return node.range?.[0] ?? 0
  }
  return document.contents?.range?.[0] ?? 0
}
