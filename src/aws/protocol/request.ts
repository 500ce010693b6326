/**
 * A request as it was received, body and all, before anything of it is believed.
 *
 * Text is one character for each byte (latin1), as Node hands it over: signatures
 * are over bytes, and what they mean is decided after they have been checked.
 */
export interface ReceivedRequest {
  readonly method: string
  /** Of the target, up to `?`; `/` where an absolute target has none. */
  readonly path: string
  /** After `?`, not decoded; empty when there is none. */
  readonly query: string
  readonly headers: HeaderFields
  readonly body: Buffer
  /** Of the peer; no header is believed. */
  readonly sourceIpAddress: string
}

/** What is known of a request before its body is read. */
export type RequestHead = Omit<ReceivedRequest, 'body'>

/** Header fields as sent: names in any case, repeated ones kept. */
export class HeaderFields {
  readonly #values = new Map<string, string[]>()

  /** `raw` alternates names and values, as IncomingMessage.rawHeaders does. */
  constructor(raw: readonly string[]) {
    for (let at = 0; at + 1 < raw.length; at += 2) {
      const name = raw[at]!.toLowerCase()
      const values = this.#values.get(name)
      if (values === undefined) this.#values.set(name, [raw[at + 1]!])
      else values.push(raw[at + 1]!)
    }
  }

  /** Lower case. */
  names(): IterableIterator<string> {
    return this.#values.keys()
  }

  /** Every value of `name` (lower case), in the order received; empty when it was not sent. */
  all(name: string): readonly string[] {
    return this.#values.get(name) ?? []
  }

  /**
   * The value of `name` (lower case), or undefined when it was not sent. One that was repeated is
   * joined with commas, so that none of its values is taken for the only one.
   */
  get(name: string): string | undefined {
    return this.#values.get(name)?.join(',')
  }
}

/**
 * The halves of a request target: `/?a=b`, or `http://host/?a=b` as it is sent to proxies (RFC
 * 9112 §3.2). undefined for every other form.
 */
export function splitTarget(target: string): { path: string; query: string } | undefined {
  const match = /^(?:https?:\/\/[^/?#]*)?(\/[^?#]*)?(?:\?([^#]*))?$/i.exec(target)
  if (match === null || target === '') return undefined
  return { path: match[1] ?? '/', query: match[2] ?? '' }
}
