import type { Banner } from './banner.js'
import type { DnsMessage } from './dns.js'
import type { Ends } from './ends.js'
import type { HttpHead } from './http.js'
import type { ClientHello, Hello } from './tls.js'

/** Is told what packets say of applications; `ends` are those of the packet that said it. */
export interface ApplicationSink {
  readonly dns?: ((ends: Ends, message: DnsMessage) => void) | undefined
  readonly tls?: ((ends: Ends, hello: Hello) => void) | undefined
  readonly quic?: ((ends: Ends, version: number, hello: ClientHello) => void) | undefined
  /** `sequence`: of the first byte of the head, which says whether it was sent again. */
  readonly http?: ((ends: Ends, head: HttpHead, sequence: number) => void) | undefined
  readonly banner?: ((ends: Ends, banner: Banner) => void) | undefined
}
