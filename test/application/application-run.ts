import { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import { ApplicationReader } from '../../src/application/application-reader.js'
import type { Banner } from '../../src/application/banner.js'
import type { DnsMessage } from '../../src/application/dns.js'
import type { HttpHead } from '../../src/application/http.js'
import type { KerberosMessage } from '../../src/application/kerberos.js'
import type { SmbMessage } from '../../src/application/smb.js'
import type { Hello } from '../../src/application/tls.js'
import { Frame } from '../../src/wire/frame.js'
import { parseFrame } from '../../src/wire/parse-frame.js'
import { ethernet, tcp4 } from '../support/frames.js'

export type Told =
  | { kind: 'dns'; message: DnsMessage }
  | { kind: 'tls'; hello: Hello }
  | { kind: 'quic'; version: number; hello: Hello }
  | { kind: 'http'; head: HttpHead; sequence: number | undefined }
  | { kind: 'banner'; banner: Banner }
  | { kind: 'kerberos'; message: KerberosMessage }
  | { kind: 'smb'; message: SmbMessage }

/** A reader of frames, with all that it told. */
export class ApplicationRun {
  readonly told: Told[] = []
  readonly reader = new ApplicationReader({
    dns: (_ends, message) => this.told.push({ kind: 'dns', message }),
    tls: (_ends, hello) => this.told.push({ kind: 'tls', hello }),
    quic: (_ends, version, hello) => this.told.push({ kind: 'quic', version, hello }),
    http: (_ends, head, sequence) => this.told.push({ kind: 'http', head, sequence }),
    banner: (_ends, banner) => this.told.push({ kind: 'banner', banner }),
    kerberos: (_ends, message) => this.told.push({ kind: 'kerberos', message }),
    smb: (_ends, message) => this.told.push({ kind: 'smb', message }),
  })
  readonly #frame = new Frame()

  /** `lost`: bytes of its end that were not captured. `around` fills the memory around it. */
  read(frame: Buffer, { lost = 0, around = 0xa5, seconds = 1_700_000_000 } = {}): void {
    const memory = Buffer.alloc(frame.length + 40, around)
    frame.copy(memory, 20)
    const end = 20 + frame.length - lost
    memory.fill(around, end)
    const fault = parseFrame(memory, 20, end, 1, frame.length, this.#frame)
    const moment = { seconds, nanoseconds: 5, timed: true }
    if (fault === undefined) this.reader.read(this.#frame, 0, moment)
  }

  end(): Told[] {
    this.reader.end()
    return this.told
  }
}

export const CLIENT = { src: '10.0.0.1', dst: '192.0.2.1', sport: 40_000, dport: 443 }

/** The segments of a stream as frames, each of `size` bytes, behind a SYN. */
export function segments(stream: Buffer, size: number, from = CLIENT, first = 1000): Buffer[] {
  const frames: Buffer[] = []
  for (let at = 0; at < stream.length; at += size) {
    const payload = stream.subarray(at, at + size)
    frames.push(ethernet(tcp4({ ...from, seq: first + at, flags: 0x18, payload })))
  }
  return frames
}

export function syn(from = CLIENT, first = 1000): Buffer {
  return ethernet(tcp4({ ...from, seq: first - 1, flags: 0x02 }))
}

/** What the TLS of Node sends first: a record with its hello. */
export async function realClientHello(servername: string, alpn: string[]): Promise<Buffer> {
  const pieces: Buffer[] = []
  const wire = new Duplex({
    read: () => undefined,
    write(piece: Buffer, _encoding, done) {
      pieces.push(piece)
      done()
    },
  })
  const socket = connect({ socket: wire, servername, ALPNProtocols: alpn })
  await new Promise<void>((resolve) => {
    const wait = () => (pieces.length > 0 ? resolve() : setImmediate(wait))
    wait()
  })
  socket.on('error', () => undefined)
  socket.destroy()
  return Buffer.concat(pieces)
}

/** A hello of a client put together from its parts. */
export function clientHello(parts: {
  ciphers: readonly number[]
  extensions: readonly (readonly [type: number, data: Buffer])[]
}): Buffer {
  const u16 = (value: number) => Buffer.of(value >>> 8, value & 0xff)
  const counted = (data: Buffer) => Buffer.concat([u16(data.length), data])
  const body = Buffer.concat([
    u16(0x0303),
    Buffer.alloc(32, 7),
    Buffer.of(0),
    counted(Buffer.concat(parts.ciphers.map(u16))),
    Buffer.of(1, 0),
    counted(
      Buffer.concat(
        parts.extensions.map(([type, data]) => Buffer.concat([u16(type), counted(data)])),
      ),
    ),
  ])
  return Buffer.concat([Buffer.of(1, 0), u16(body.length), body])
}

/** A handshake message in records of at most `size` bytes each. */
export function records(message: Buffer, size = 16_384): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size)
    parts.push(Buffer.of(22, 3, 1, part.length >>> 8, part.length & 0xff), part)
  }
  return Buffer.concat(parts)
}
