import { ethernet, icmp4, icmp6, tcp4, tcp6, udp4, udp6 } from '../../test/support/frames.js'

/** One end of a conversation. */
export interface Host {
  readonly address: string
  /** Of its interface, or of the router that stands for it. */
  readonly mac: string
}

/** Puts a packet into a frame from one host to the other. */
export function between(from: Host, to: Host, packet: Buffer): Buffer {
  return ethernet(packet, { src: from.mac, dst: to.mac })
}

interface Datagram {
  sport: number
  dport: number
  payload: Buffer
  id?: number
}

export function udp(from: Host, to: Host, of: Datagram): Buffer {
  const head = { src: from.address, dst: to.address }
  return between(from, to, isIpv6(from) ? udp6({ ...head, ...of }) : udp4({ ...head, ...of }))
}

export interface Segment {
  sport: number
  dport: number
  flags: number
  seq: number
  ack: number
  window: number
  payload?: Buffer
  tcpOptions?: Buffer
  id?: number
}

export function tcp(from: Host, to: Host, of: Segment): Buffer {
  const head = { src: from.address, dst: to.address }
  const packet = isIpv6(from)
    ? tcp6({ ...head, ...of })
    : tcp4({ ...head, ...of, dontFragment: true })
  return between(from, to, packet)
}

/** An echo request, or the reply to one. */
export function echo(from: Host, to: Host, reply: boolean, rest: number, payload: Buffer): Buffer {
  const head = { src: from.address, dst: to.address, rest, payload }
  const packet = isIpv6(from)
    ? icmp6({ ...head, type: reply ? 129 : 128 })
    : icmp4({ ...head, type: reply ? 0 : 8 })
  return between(from, to, packet)
}

export function isIpv6(host: Host): boolean {
  return host.address.includes(':')
}
