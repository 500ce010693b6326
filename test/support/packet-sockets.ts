import { AF_PACKET, loadLibc, SOCK_RAW } from '../../src/sys/libc.js'

/** What is missing for packet sockets, for the names of tests that are skipped, or undefined. */
export function whyNoPacketSockets(): string | undefined {
  try {
    const libc = loadLibc()
    const fd = libc.socket(AF_PACKET, SOCK_RAW, 0)
    if (fd < 0) return 'CAP_NET_RAW'
    libc.close(fd)
    return undefined
  } catch {
    return 'Linux and koffi'
  }
}
