import type { Banner } from './banner.js'
import type { DnsMessage } from './dns.js'
import type { Ends } from './ends.js'
import type { HttpHead } from './http.js'
import type { KerberosMessage } from './kerberos.js'
import type { SmbMessage } from './smb.js'
import type { ClientHello, Hello } from './tls.js'

/** Is told what packets say of applications; `ends` are those of the packet that said it. */
export interface ApplicationSink {
  readonly dns?: ((ends: Ends, message: DnsMessage) => void) | undefined
  readonly tls?: ((ends: Ends, hello: Hello) => void) | undefined
  readonly quic?: ((ends: Ends, version: number, hello: ClientHello) => void) | undefined
  /** `sequence`: of the first byte of the head, which says whether it was sent again; of a datagram none. */
  readonly http?: ((ends: Ends, head: HttpHead, sequence: number | undefined) => void) | undefined
  readonly banner?: ((ends: Ends, banner: Banner) => void) | undefined
  readonly kerberos?: ((ends: Ends, message: KerberosMessage) => void) | undefined
  readonly smb?: ((ends: Ends, message: SmbMessage) => void) | undefined
}

/** Tells several of them all that each asks for. */
export function joinedSinks(sinks: readonly ApplicationSink[]): ApplicationSink {
  const each = <Tell extends (...told: never[]) => void>(
    tells: readonly (Tell | undefined)[],
  ): Tell | undefined => {
    const asked = tells.filter((tell) => tell !== undefined)
    if (asked.length < 2) return asked[0]
    return ((...told: Parameters<Tell>) => {
      for (const tell of asked) tell(...told)
    }) as Tell
  }
  return {
    dns: each(sinks.map(({ dns }) => dns)),
    tls: each(sinks.map(({ tls }) => tls)),
    quic: each(sinks.map(({ quic }) => quic)),
    http: each(sinks.map(({ http }) => http)),
    banner: each(sinks.map(({ banner }) => banner)),
    kerberos: each(sinks.map(({ kerberos }) => kerberos)),
    smb: each(sinks.map(({ smb }) => smb)),
  }
}
