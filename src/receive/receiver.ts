import type { Datagram } from '../wire/packet.js'

/**
 * Something that hands over the payloads of UDP datagrams.
 *
 * Two exist: `dgram.ts`, anywhere Node runs, and `recvmmsg.ts`, Linux with koffi,
 * which reads many datagrams per system call. Nothing outside this folder can
 * tell which one it has.
 */
export interface Receiver {
  readonly name: ReceiverName
  /** What was bound; `port` is the real one when 0 was asked for. */
  readonly address: { readonly host: string; readonly port: number }
  /** The receive buffer the kernel granted, in bytes as the kernel counts them (it doubles what is asked). */
  readonly receiveBufferBytes: number
  /**
   * Datagrams the kernel discarded since the socket was opened, nearly always because the
   * buffer was full, or `undefined` where it cannot be known. What was handed over and this
   * are together what arrived, once all that is queued has been handed over. Costs a system
   * call or the reading of a file: ask once a second, not per packet. Holds after `close`.
   */
  kernelDrops(): number | undefined
  /**
   * Places the datagrams of all sockets that share this port (`reusePort`): a classic BPF
   * program over the UDP payload that answers with the index of a socket, in the order they
   * were opened. Only `recvmmsg` has it; use attachSteering.
   */
  attachReusePortProgram?(program: Buffer): void
  /** The socket, where it outlives the thread that opened it; see `takeOver`. */
  readonly fd?: number
  /**
   * After a crash: hands over nothing more, and leaves the socket as it is where it has an `fd`.
   * Answers with the datagrams that were taken from the kernel and not handed over.
   */
  abandon(): number
  /**
   * Stops accepting, hands over what the kernel already holds, then releases the socket.
   * Resolves when `onDatagram` will not be called again. May be called from `onDatagram`.
   */
  close(): Promise<void>
}

export type ReceiverName = 'recvmmsg' | 'dgram'

/** Receives one datagram. It and the memory it lies in are overwritten as soon as the call returns. */
export type OnDatagram = (datagram: Datagram) => void

/** What is left of a receiver whose thread died. Plain data. */
export interface LeftSocket {
  readonly fd: number
  /** What the kernel had dropped there by the time that thread last looked; not counted again. */
  readonly drops: number
}

export interface ReceiverOptions {
  /** An IP address, IPv6 with its zone where it needs one. `::` takes IPv4 as well. */
  host: string
  /** 0 lets the kernel choose. */
  port: number
  /** What to ask of the kernel, in bytes. */
  receiveBufferBytes: number
  /** Let several sockets share the port (SO_REUSEPORT). Only `recvmmsg` can. */
  reusePort: boolean
  /**
   * With `reusePort`: refuse a port that somebody has, even somebody who shares it. For the
   * first socket of a group, or a second process would quietly take part of the traffic.
   */
  firstOfGroup?: boolean
  /** A socket left by a thread that died, instead of a new one. */
  takeOver?: LeftSocket | undefined
  onDatagram: OnDatagram
  /** After the datagrams that were read together: how long ago the first of them had come, in microseconds. */
  onBatch?: (microseconds: number) => void
  /** The socket failed while open; the receiver has stopped. */
  onError: (error: Error) => void
}

export type OpenReceiver = (options: ReceiverOptions) => Promise<Receiver>
