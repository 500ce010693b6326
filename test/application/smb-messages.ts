/** Segments of SMB 2 with names, put together as plainly as can be. */

const wide = (text: string) => Buffer.from(text, 'utf16le')

function smb2(command: number, isResponse: boolean, messageId: number, body: Buffer): Buffer {
  const header = Buffer.alloc(64)
  header.write('\xfeSMB', 'latin1')
  header.writeUInt16LE(64, 4)
  header.writeUInt16LE(command, 12)
  header.writeUInt32LE(isResponse ? 1 : 0, 16)
  header.writeUInt32LE(messageId, 24)
  const session = Buffer.alloc(4)
  session.writeUInt16BE(header.length + body.length, 2)
  return Buffer.concat([session, header, body])
}

export function treeConnect(path: string, messageId = 5): Buffer {
  const body = Buffer.alloc(8)
  body.writeUInt16LE(9)
  body.writeUInt16LE(72, 4)
  body.writeUInt16LE(wide(path).length, 6)
  return smb2(3, false, messageId, Buffer.concat([body, wide(path)]))
}

/** `share`: 1 disk, 2 pipe, 3 printer. */
export function treeReply(share: number, messageId = 5): Buffer {
  const body = Buffer.alloc(16)
  body.writeUInt16LE(16)
  body[2] = share
  return smb2(3, true, messageId, body)
}

/** A field of NTLM: length, length, offset. */
function put(message: Buffer, at: number, offset: number, length: number): void {
  message.writeUInt16LE(length, at)
  message.writeUInt16LE(length, at + 2)
  message.writeUInt32LE(offset, at + 4)
}

export function authenticate(domain: string, user: string, host: string): Buffer {
  const message = Buffer.alloc(64)
  message.write('NTLMSSP\0', 'latin1')
  message.writeUInt32LE(3, 8)
  message.writeUInt32LE(1, 60)
  let offset = 64
  for (const [at, text] of [
    [28, domain],
    [36, user],
    [44, host],
  ] as const) {
    put(message, at, offset, wide(text).length)
    offset += wide(text).length
  }
  const names = Buffer.concat([message, wide(domain), wide(user), wide(host)])
  return smb2(1, false, 3, Buffer.concat([Buffer.alloc(40), names]))
}

/** `info`: names by their number. */
export function challenge(info: readonly (readonly [id: number, text: string])[]): Buffer {
  const pairs = [...info, [0, ''] as const].map(([id, text]) => {
    const head = Buffer.alloc(4)
    head.writeUInt16LE(id)
    head.writeUInt16LE(wide(text).length, 2)
    return Buffer.concat([head, wide(text)])
  })
  const message = Buffer.alloc(56)
  message.write('NTLMSSP\0', 'latin1')
  message.writeUInt32LE(2, 8)
  put(message, 40, 56, Buffer.concat(pairs).length)
  return smb2(1, true, 2, Buffer.concat([Buffer.alloc(20), message, ...pairs]))
}
