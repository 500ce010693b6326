import { describe, expect, test } from 'vitest'
import { Column } from '../../src/appliance/column.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { datagramOf } from '../session/datagrams.js'
import { ethernet, udp4, vxlan } from '../support/frames.js'

const T = 1_700_000_000

function columnOf(): Column {
  return new Column(
    {
      sessionKey: 'source+vni',
      unknownSessions: 'accept',
      maxSessions: 8,
      maxFlows: 1000,
      sessionQuota: 1000,
      lifetime: LIFETIMES.nfw,
      duplicates: 'keep',
    },
    (line) => expect.fail(line),
  )
}

function take(column: Column, vni: number, udp: Parameters<typeof udp4>[0]): void {
  const datagram = datagramOf(vxlan(vni, ethernet(udp4(udp))), { seconds: T })
  column.demux.acceptVxlan(datagram)
}

const nameOf = (name: string): Buffer =>
  Buffer.concat([...name.split('.').map((label) => Buffer.from(`\x01${label}`)), Buffer.of(0)])

/** An answer with one address (RFC 1035, section 4.1); labels of one character. */
function answer(name: string, address: readonly number[]): Buffer {
  return Buffer.concat([
    Buffer.from('123481800001000100000000', 'hex'),
    nameOf(name),
    Buffer.from('00010001c00c000100010000003c0004', 'hex'),
    Buffer.from(address),
  ])
}

describe('Column.talkers', () => {
  test('names who sends most by what DNS answered in its session, while somebody asks', async () => {
    const column = columnOf()
    const tick = (): void => column.tick(T, 0)
    const resolve = (vni: number): void => {
      const payload = answer('a.b', [10, 0, 0, 7])
      take(column, vni, { src: '10.0.0.53', dst: '10.0.0.1', sport: 53, dport: 4000, payload })
    }
    const talk = (vni: number): void => {
      const payload = Buffer.alloc(1000)
      take(column, vni, { src: '10.0.0.1', dst: '10.0.0.7', sport: 5000, dport: 443, payload })
    }
    // Nobody asks yet: this is not read.
    tick()
    resolve(2)
    talk(1)
    expect(await column.talkers()).toBeUndefined()
    tick()
    resolve(1)
    await expect
      .poll(async () => {
        talk(1)
        talk(2)
        const rows = (await column.talkers())?.rows.filter(({ address }) => address === '10.0.0.7')
        return rows?.map(({ session, name }) => ({ session, name }))
      })
      .toEqual(
        expect.arrayContaining([
          { session: 'vni-1_10.0.0.1', name: 'a.b' },
          { session: 'vni-2_10.0.0.1', name: null },
        ]),
      )
    await column.close()
  })
})
