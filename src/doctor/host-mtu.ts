import { networkInterfaces } from 'node:os'
import { textOf } from '../sys/proc.js'
import { type Finding, ok } from './finding.js'

/** What mirroring puts around a frame, as AWS counts it: over IPv4 and over IPv6. */
const OVERHEAD = { IPv4: 54, IPv6: 74 } as const

/** Whether mirrored packets fit each interface that has an address. */
export function checkMtu(mirroredMtu: number): Finding[] {
  const all = Object.entries(networkInterfaces())
  return all.flatMap(([name, addresses = []]) => {
    const own = addresses.filter(
      ({ internal, address }) => !internal && !address.startsWith('fe80:'),
    )
    const mtu = Number(textOf(`/sys/class/net/${name}/mtu`))
    const [first] = own
    if (first === undefined || mtu === 0) return []
    const family = own.some((address) => address.family === 'IPv4') ? 'IPv4' : 'IPv6'
    const room = mtu - OVERHEAD[family]
    const check = 'mtu'
    if (room >= mirroredMtu) {
      return [
        ok(check, `${name} has an MTU of ${mtu}: mirrored packets of up to ${room} bytes fit`),
      ]
    }
    return [
      {
        check,
        level: 'warning' as const,
        what: `${name} has an MTU of ${mtu}: of mirrored packets, those longer than ${room} bytes do not fit`,
        why: 'they arrive cut or in fragments; flow logs count them in full, captures lack their ends',
        fix: `ip link set dev ${name} mtu ${mirroredMtu + OVERHEAD[family]}, or sessions with a PacketLength`,
      },
    ]
  })
}
