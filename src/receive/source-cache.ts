import { LRUCache } from 'lru-cache'
import { parseAddress } from '../wire/address.js'

/** More than a mirror target has sources; a sender that makes them up gets no more. */
const REMEMBERED = 4096

const UNREADABLE = new Uint32Array(4)

/**
 * The four words of a source address that Node gives as text. Sources repeat, most often at
 * once, so the last one is held apart and the others are remembered.
 */
export class SourceCache {
  #text = ''
  #words = UNREADABLE
  readonly #remembered = new LRUCache<string, Uint32Array<ArrayBuffer>>({ max: REMEMBERED })

  /** Words of `text`, which may carry a zone (`fe80::1%eth0`); not to be changed. */
  wordsOf(text: string): Uint32Array {
    if (text === this.#text) return this.#words
    let words = this.#remembered.get(text)
    if (words === undefined) {
      words = new Uint32Array(parseAddress(text.replace(/%.*$/, '')) ?? UNREADABLE)
      this.#remembered.set(text, words)
    }
    this.#text = text
    this.#words = words
    return words
  }
}
