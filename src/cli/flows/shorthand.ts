type Value = string | Value[] | { [name: string]: Value }

/** What is wrong, in words that follow the option's name; thrown and caught here alone. */
class Malformed extends Error {}

/**
 * Structures in the AWS CLI's shorthand, with spaces between them:
 * `SourceAddress={AddressDefinition=10.0.0.0/8},Protocols=6,17 DestinationPort=443`. Returns what
 * JSON would have said, or what is wrong. `Protocols` is a list, with brackets or without.
 */
export function parseShorthand(text: string): Value[] | string {
  const structures: Value[] = []
  const reader = new Reader(text)
  try {
    for (reader.skipSpace(); !reader.isDone; reader.skipSpace()) structures.push(reader.structure())
    return structures
  } catch (error) {
    if (error instanceof Malformed) return error.message
    throw error
  }
}

/** AWS's structures are three deep at most. */
const NESTING_MAX = 8

class Reader {
  readonly #text: string
  #at = 0
  #nesting = 0

  constructor(text: string) {
    this.#text = text
  }

  get isDone(): boolean {
    return this.#at >= this.#text.length
  }

  skipSpace(): void {
    this.#take(/\s*/y)
  }

  /** Members up to a space, a brace or the end. */
  structure(): Value {
    const members = new Map<string, Value>()
    do {
      const name = this.#take(/[A-Za-z0-9_.-]+(?==)/y) ?? this.#refuse('KEY=VALUE')
      if (members.has(name)) throw new Malformed(`${name} is given twice in one filter`)
      this.#at++
      members.set(name, this.#member(name))
    } while (this.#take(/,/y) !== undefined)
    if (!this.isDone && !/[\s}]/.test(this.#text[this.#at]!)) this.#refuse('a comma')
    return Object.fromEntries(members)
  }

  #member(name: string): Value {
    const value = this.#value()
    const more: Value[] = []
    // A comma with no key after it goes on with the list.
    while (this.#take(/,(?![A-Za-z0-9_.-]+=)/y) !== undefined) more.push(this.#value())
    if (more.length > 0) return [value, ...more]
    return name === 'Protocols' && typeof value === 'string' ? [value] : value
  }

  #value(): Value {
    if (++this.#nesting > NESTING_MAX) throw new Malformed('nests too deep')
    const value = this.#nested()
    this.#nesting--
    return value
  }

  #nested(): Value {
    if (this.#take(/\{/y) !== undefined) {
      const value = this.structure()
      if (this.#take(/\}/y) === undefined) this.#refuse('}')
      return value
    }
    if (this.#take(/\[\s*/y) !== undefined) {
      const values: Value[] = []
      while (this.#take(/\]/y) === undefined) {
        values.push(this.#value())
        if (this.#take(/\s*,\s*/y) === undefined && this.#text[this.#at] !== ']') this.#refuse(']')
      }
      return values
    }
    const quoted = this.#take(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/y)
    if (quoted !== undefined) return quoted.slice(1, -1).replace(/\\(.)/g, '$1')
    return this.#take(/[^\s,{}[\]"'=]+/y) ?? this.#refuse('a value')
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    this.#at += found?.length ?? 0
    return found
  }

  #refuse(expected: string): never {
    const rest = this.#text.slice(this.#at)
    throw new Malformed(
      rest === ''
        ? `ends where ${expected} was expected`
        : `${expected} was expected at ${JSON.stringify(rest.slice(0, 40))}`,
    )
  }
}
