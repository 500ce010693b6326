import type { Datagram } from '../wire/packet.js'

/**
 * Something that hands over the payloads of UDP datagrams.
 *
 * Two exist: `dgram.ts`, anywhere Node runs, and `recvmmsg.ts`, Linux with koffi,
 * which reads many datagrams per system call. Nothing outside this folder can
 * tell which one it has.
 */
export interface Receiver {
  readonly name: 'dgram' | 'recvmmsg'
  /** What was bound; `port` is the real one when 0 was asked for. */
  readonly address: { readonly host: string; readonly port: number }
  /** The receive buffer the kernel granted, in octets as the kernel counts them (it doubles what is asked). */
  readonly receiveBufferBytes: number
  /** Datagrams the kernel discarded because the buffer was full, or `undefined` where it cannot be known. */
  kernelDrops(): number | undefined
  /** Hands over what the kernel already holds, then releases the socket. Resolves when `onDatagram` will not be called again. */
  close(): Promise<void>
}

/** Receives one datagram. It and the memory it lies in are overwritten as soon as the call returns. */
export type OnDatagram = (datagram: Datagram) => void

export interface ReceiverOptions {
  host: string
  /** 0 lets the kernel choose. */
  port: number
  /** What to ask of the kernel, in octets. */
  receiveBufferBytes: number
  /** Let several sockets share the port (SO_REUSEPORT). Only `recvmmsg` can. */
  reusePort: boolean
  onDatagram: OnDatagram
  /** The socket failed while open; the receiver has stopped. */
  onError: (error: Error) => void
}

export type OpenReceiver = (options: ReceiverOptions) => Promise<Receiver>
