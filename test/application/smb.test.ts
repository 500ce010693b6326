import { describe, expect, test } from 'vitest'
import { parseSmb } from '../../src/application/smb.js'
import { ethernet, tcp4 } from '../support/frames.js'
import { ApplicationRun } from './application-run.js'
import { authenticate, challenge, treeConnect, treeReply } from './smb-messages.js'

const read = (segment: Buffer) => parseSmb(segment, 0, segment.length)
const CHALLENGE = challenge([
  [2, 'EXAMPLE'],
  [1, 'FILES'],
  [3, 'files.example.com'],
  [5, 'example.com'],
])
const SEGMENTS = [
  treeConnect('\\\\files\\data'),
  treeReply(2),
  authenticate('EXAMPLE', 'alice', 'DESK-7'),
  CHALLENGE,
]

describe('segments of SMB', () => {
  test('say which share is connected to', () => {
    expect(read(SEGMENTS[0]!)).toEqual({ type: 'tree', messageId: 5, path: '\\\\files\\data' })
    expect(read(SEGMENTS[1]!)).toEqual({ type: 'tree-reply', messageId: 5, share: 'PIPE' })
  })

  test('say who logs on, from where, and to whom', () => {
    expect(read(SEGMENTS[2]!)).toEqual({
      type: 'authenticate',
      domain: 'EXAMPLE',
      user: 'alice',
      host: 'DESK-7',
    })
    expect(read(CHALLENGE)).toEqual({
      type: 'challenge',
      computer: 'FILES',
      dnsComputer: 'files.example.com',
      dnsTree: 'example.com',
    })
  })

  test('that are cut say nothing that is not there, whatever lies behind them', () => {
    for (const segment of SEGMENTS) {
      for (let end = 0; end < segment.length; end++) {
        const [zeros, ones] = [0, 0xff].map((around) => {
          const memory = Buffer.alloc(segment.length + 90, around)
          segment.copy(memory, 7, 0, end)
          return parseSmb(memory, 7, 7 + end)
        })
        expect(zeros).toEqual(ones)
      }
    }
  })

  test('are none where offsets and lengths say what cannot be', () => {
    const far = authenticate('EXAMPLE', 'alice', 'DESK-7')
    far.writeUInt32LE(0xffff_fff0, far.indexOf('NTLMSSP') + 40)
    expect(read(far)).toMatchObject({ user: undefined, host: 'DESK-7' })
    const path = treeConnect('\\\\files\\data')
    path.writeUInt16LE(2, 4 + 64 + 4)
    expect(read(path)).toBeUndefined()
    expect(read(Buffer.from('GET / HTTP/1.1\r\nHost: files.example.com\r\n\r\n'))).toBeUndefined()
  })
})

test('are read on the ports of SMB alone', () => {
  const run = new ApplicationRun()
  for (const dport of [445, 139, 4450]) {
    const ends = { src: '10.0.0.1', dst: '192.0.2.1', sport: 40_000, dport }
    run.read(ethernet(tcp4({ ...ends, seq: 5, flags: 0x18, payload: SEGMENTS[0]! })))
  }
  const told = { kind: 'smb', message: { type: 'tree', messageId: 5, path: '\\\\files\\data' } }
  expect(run.end()).toEqual([told, told])
})
