/** Messages of Kerberos, put together as plainly as can be. */

/** An element of DER. */
export function element(tag: number, content: Buffer): Buffer {
  const { length } = content
  const head = length < 128 ? [tag, length] : [tag, 0x82, length >>> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), content])
}

const sequence = (...parts: Buffer[]) => element(0x30, Buffer.concat(parts))
const field = (number: number, content: Buffer) => element(0xa0 | number, content)
const text = (value: string) => element(0x1b, Buffer.from(value))
const integer = (value: number) => element(2, Buffer.of(value))

export function name(parts: readonly string[]): Buffer {
  return sequence(field(0, integer(1)), field(1, sequence(...parts.map(text))))
}

interface Names {
  readonly client?: readonly string[]
  readonly realm: string
  readonly service: readonly string[]
}

/** `type`: 10 (AS) or 12 (TGS); `padata`: so many bytes of it. */
export function kdcRequest(
  type: number,
  { client, realm, service, padata = 0 }: Names & { padata?: number },
): Buffer {
  const body = sequence(
    field(0, element(3, Buffer.alloc(5))),
    ...(client === undefined ? [] : [field(1, name(client))]),
    field(2, text(realm)),
    field(3, name(service)),
    field(5, element(0x18, Buffer.from('20301231235959Z'))),
  )
  return element(
    0x60 | type,
    sequence(
      field(1, integer(5)),
      field(2, integer(type)),
      ...(padata === 0 ? [] : [field(3, element(0x30, Buffer.alloc(padata)))]),
      field(4, body),
    ),
  )
}

/** `type`: 11 (AS) or 13 (TGS). */
export function ticketReply(type: number, { client = [], realm, service }: Names): Buffer {
  const ticket = sequence(
    field(0, integer(5)),
    field(1, text(realm)),
    field(2, name(service)),
    field(3, sequence()),
  )
  return element(
    0x60 | type,
    sequence(
      field(0, integer(5)),
      field(1, integer(type)),
      field(3, text(realm)),
      field(4, name(client)),
      field(5, element(0x61, ticket)),
    ),
  )
}

export function errorMessage(of: {
  readonly code: number
  readonly realm: string
  readonly service: readonly string[]
  readonly text: string
}): Buffer {
  return element(
    0x7e,
    sequence(
      field(0, integer(5)),
      field(1, integer(30)),
      field(6, integer(of.code)),
      field(9, text(of.realm)),
      field(10, name(of.service)),
      field(11, text(of.text)),
    ),
  )
}
