/** What the forwarding thread is started with. Plain data. */
export interface ForwardOptions {
  /** One of each receiving thread. */
  readonly rings: readonly SharedArrayBuffer[]
  readonly servers: readonly PcapServerOptions[]
  /** Name of a tap device. */
  readonly tap: string | undefined
}

/** Where readers connect, and what they get. */
export interface PcapServerOptions {
  readonly host: string
  /** 0 lets the kernel choose. */
  readonly port: number
  /** pcap-filter(7); undefined: every packet. */
  readonly filter: string | undefined
}

/** From the forwarding thread. */
export type ForwardNotice =
  /** It forwards, from these ports on, in the order of the servers. */
  | { readonly type: 'ready'; readonly ports: readonly number[] }
  /** It cannot begin. `code`: of an OperatorError; undefined: it is a bug. */
  | { readonly type: 'failed'; readonly message: string; readonly code: string | undefined }
  /** Something an operator should read. */
  | { readonly type: 'problem'; readonly line: string }
