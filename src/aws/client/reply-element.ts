import { XMLParser, XMLValidator } from 'fast-xml-parser'

/** A reply that is not what EC2 says it is; the message says where. */
export class BadReply extends Error {
  override readonly name = 'BadReply'
}

const PARSER = new XMLParser({
  ignoreAttributes: true,
  // Ids of digits alone are no numbers.
  parseTagValue: false,
  isArray: (name) => name === 'item',
})

/** An element of a reply of EC2: what its members are is checked as they are read. */
export class ReplyElement {
  readonly #value: unknown
  readonly #path: string

  private constructor(value: unknown, path: string) {
    this.#value = value
    this.#path = path
  }

  /** The element that the whole of `xml` is. Throws BadReply. */
  static parse(xml: string, name: string): ReplyElement {
    // The parser takes what ends too soon for what ends there.
    if (XMLValidator.validate(xml) !== true) throw new BadReply('the reply is no XML')
    const root = new ReplyElement(PARSER.parse(xml), '').child(name)
    if (root === undefined) throw new BadReply(`the reply is no ${name}`)
    return root
  }

  /** Undefined where there is none, or nothing in it. */
  child(name: string): ReplyElement | undefined {
    const value = this.#member(name)
    if (value === undefined || value === '') return undefined
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new BadReply(`${this.#placeOf(name)} holds no elements`)
    }
    return new ReplyElement(value, this.#placeOf(name))
  }

  /** The elements `item` of the list `name`; empty where there is none. */
  items(name: string): ReplyElement[] {
    return this.#items(name).map((value, index) => {
      if (typeof value === 'object') return new ReplyElement(value, this.#itemOf(name, index))
      throw new BadReply(`${this.#itemOf(name, index)} holds no elements`)
    })
  }

  /** The same of a list of texts. */
  texts(name: string): string[] {
    return this.#items(name).map((value, index) => {
      if (typeof value === 'string') return value
      throw new BadReply(`${this.#itemOf(name, index)} is no text`)
    })
  }

  /** Undefined where there is none, or nothing in it. */
  text(name: string): string | undefined {
    const value = this.#member(name)
    if (value === undefined || value === '') return undefined
    if (typeof value !== 'string') throw new BadReply(`${this.#placeOf(name)} is no text`)
    return value
  }

  someText(name: string): string {
    return this.text(name) ?? this.#isMissing(name)
  }

  /** A whole number between `low` and `high`, undefined where there is none. */
  whole(name: string, low: number, high: number): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (number >= low && number <= high) return number
    throw new BadReply(`${this.#placeOf(name)} is no number from ${low} to ${high}`)
  }

  someWhole(name: string, low: number, high: number): number {
    return this.whole(name, low, high) ?? this.#isMissing(name)
  }

  oneOf<const T extends string>(name: string, words: readonly T[]): T {
    const text = this.someText(name)
    const word = words.find((one) => one === text)
    if (word === undefined)
      throw new BadReply(`${this.#placeOf(name)} is not ${words.join(' or ')}`)
    return word
  }

  #items(name: string): unknown[] {
    const list = this.child(name)
    return list === undefined ? [] : [list.#member('item') ?? []].flat()
  }

  #member(name: string): unknown {
    return (this.#value as Record<string, unknown>)[name]
  }

  #isMissing(name: string): never {
    throw new BadReply(`${this.#placeOf(name)} is missing`)
  }

  #placeOf(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`
  }

  #itemOf(name: string, index: number): string {
    return `${this.#placeOf(name)}[${index}]`
  }
}
