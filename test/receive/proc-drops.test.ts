import { endianness } from 'node:os'
import { describe, expect, test } from 'vitest'
import { dropWordIn, inodeIn } from '../../src/receive/proc-drops.js'

// As Linux 6.18 prints them.
const UDP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            
  117: 0100007F:12B5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 31337 2 00000000f2a8b1c4 0         
 1409: 00000000:12B5 00000000:0000 07 00000000:00034100 00:00000000 00000000  1000        0 313 2 000000007cbb9a52 4294967295
12B50: 0100007F:0313 0100007F:0313 01 00000000:00000000 00:00000000 00000000     0        0 90313 2 000000000bb3e7b1 17        
`
const UDP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  117: 00000000000000000000000000000000:12B5 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41 2 00000000f2a8b1c4 1
  118: 000080FE00000000FF005450B4AB0DFE:12B5 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 42 2 00000000f2a8b1c5 2
  119: 0000000000000000FFFF00000100007F:12B5 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 43 2 00000000f2a8b1c6 3
`

describe.skipIf(endianness() !== 'LE')('inodeIn (needs a little-endian machine)', () => {
  test.each([
    [UDP, '127.0.0.1', 4789, '31337'],
    [UDP, '0.0.0.0', 4789, '313'],
    [UDP, '127.0.0.1', 0x313, '90313'],
    [UDP, '127.0.0.2', 4789, undefined],
    [UDP, '127.0.0.1', 0xb5, undefined],
    [UDP6, '::', 4789, '41'],
    [UDP6, 'fe80::5054:ff:fe0d:abb4%eth0', 4789, '42'],
    [UDP6, '::ffff:127.0.0.1', 4789, '43'],
    ['', '0.0.0.0', 4789, undefined],
  ])('finds a socket by its address (case %#)', (table, host, port, inode) => {
    expect(inodeIn(table, host, port)).toBe(inode)
  })
})

describe('dropWordIn', () => {
  test.each([
    [UDP, '31337', 0],
    [UDP, '313', 4_294_967_295],
    [UDP, '90313', 17],
    [UDP, '3', undefined],
    [UDP, '12', undefined],
    [UDP6, '42', 2],
    ['', '313', undefined],
  ])('reads the last column of the line with that inode (case %#)', (table, inode, drops) => {
    expect(dropWordIn(table, inode)).toBe(drops)
  })
})
