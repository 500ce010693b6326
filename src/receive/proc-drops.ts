import { readFileSync } from 'node:fs'
import { endianness } from 'node:os'
import { MAPPED_WORD, parseAddress } from '../wire/address.js'

/**
 * Finds a socket of ours in /proc/net/udp or udp6 (proc(5)), where Linux shows the drop
 * counter of every UDP socket, however it was opened:
 *
 *     sl  local_address rem_address   st tx_queue rx_queue … uid timeout inode ref pointer drops
 *
 * Addresses are words in hexadecimal, printed as the machine holds the bytes of the network.
 */
const LOCAL_ADDRESS = 1
const INODE = 9
const DROPS = 12

const PATHS = { 4: '/proc/net/udp', 6: '/proc/net/udp6' } as const

/** The text of the file, or undefined off Linux. */
export function readProcUdp(family: 4 | 6): string | undefined {
  try {
    return readFileSync(PATHS[family], 'latin1')
  } catch {
    return undefined
  }
}

/** What the socket bound to this address is listed under for the whole of its life. */
export function inodeIn(table: string, host: string, port: number): string | undefined {
  const local = `${hexOf(host)}:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return columnOf(table, LOCAL_ADDRESS, local, INODE)
}

/** 32 bits, unsigned. */
export function dropWordIn(table: string, inode: string): number | undefined {
  const drops = columnOf(table, INODE, inode, DROPS)
  return drops === undefined ? undefined : Number(drops)
}

function columnOf(table: string, by: number, value: string, want: number): string | undefined {
  for (const line of table.split('\n')) {
    if (!line.includes(value)) continue
    const columns = line.trim().split(/\s+/)
    if (columns[by] === value) return columns[want]
  }
  return undefined
}

function hexOf(host: string): string {
  const words = parseAddress(host.replace(/%.*$/, '')) ?? new Uint32Array(4)
  const shown = host.includes(':') || words[2] !== MAPPED_WORD ? words : words.subarray(3)
  const bytes = Buffer.alloc(4)
  return Array.from(shown, (word) => {
    bytes.writeUInt32BE(word)
    const held = endianness() === 'LE' ? bytes.readUInt32LE() : word
    return held.toString(16).toUpperCase().padStart(8, '0')
  }).join('')
}
