/** One interface of a capture file; a pcap file has exactly one. */
export interface CaptureInterface {
  readonly linkType: number
  /** As in the file: 0 stands for no limit. */
  readonly snaplen: number
  readonly name?: string
}

/** What a listed interface takes, beside the characters of its name. */
const LISTED_LEN = 64
const LIST_LEN_MAX = 8 * 1024 * 1024
/** Any program that captures from this many kinds of link would be the first. */
const LINK_TYPES_MAX = 256

/** What is kept of the interfaces of a file, whose number and names are the writer's to choose. */
export class CaptureInterfaces {
  count = 0
  readonly linkTypes: number[] = []
  /** The largest; 0 stands for no limit. */
  snaplen = 0
  /** The first of them. */
  readonly list: CaptureInterface[] = []
  #listLen = 0
  #isUnlimited = false
  readonly #isListed: boolean

  constructor(isListed = true) {
    this.#isListed = isListed
  }

  /** `nameLen`: bytes of the name, which is asked for only where it is kept. */
  add(linkType: number, snaplen: number, nameLen = 0, nameOf?: () => string): void {
    this.count++
    this.#isUnlimited ||= snaplen === 0
    this.snaplen = this.#isUnlimited ? 0 : Math.max(this.snaplen, snaplen)
    if (this.linkTypes.length < LINK_TYPES_MAX && !this.linkTypes.includes(linkType)) {
      this.linkTypes.push(linkType)
    }
    if (!this.#isListed || this.#listLen === LIST_LEN_MAX) return
    const length = LISTED_LEN + nameLen
    if (this.#listLen + length > LIST_LEN_MAX) {
      // The list is the first of them, without gaps.
      this.#listLen = LIST_LEN_MAX
      return
    }
    this.#listLen += length
    this.list.push(
      nameOf === undefined ? { linkType, snaplen } : { linkType, snaplen, name: nameOf() },
    )
  }
}
