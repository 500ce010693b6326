import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { conditionOf } from '../../src/filter/conditions.js'
import { parseExpression } from '../../src/filter/parser.js'
import { LINKTYPE_ETHERNET } from '../../src/wire/link-type.js'
import { Random } from '../support/random.js'
import { EXPRESSIONS } from './expressions.js'

/** What an expression means: the tests it makes of an Ethernet frame. */
function meaning(text: string) {
  return conditionOf(parseExpression(text)!, LINKTYPE_ETHERNET)
}

function messageOf(text: string): string {
  try {
    meaning(text)
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error
    expect(error.exitCode).toBe(2)
    expect(error.message).not.toContain('\n')
    return error.message
  }
  return 'accepted'
}

describe('parseExpression', () => {
  test.each([
    // `and` and `or` bind equally, `not` tighter.
    ['tcp or udp and port 53', '(tcp or udp) and port 53'],
    ['tcp and udp or port 53', '(tcp and udp) or port 53'],
    ['not tcp and udp', '(not tcp) and udp'],
    ['! tcp || ! udp && ip', '((not tcp) or (not udp)) and ip'],
    // Qualifiers are taken over, also past a parenthesis, and by those inside one.
    ['host 10.0.0.1 or 10.0.0.2', 'host 10.0.0.1 or host 10.0.0.2'],
    ['tcp dst port 80 or 443', 'tcp dst port 80 or tcp dst port 443'],
    ['tcp dst port (80 or 443)', '(tcp dst port 80 or tcp dst port 443)'],
    ['port 80 or not 443', 'port 80 or not port 443'],
    ['tcp port 80 or (udp port 53) or 443', 'tcp port 80 or (udp port 53) or tcp port 443'],
    ['src net 10 or 192.168 and 10.1', 'src net 10 or src net 192.168 and src net 10.1'],
    ['ip proto \\tcp or \\udp', 'ip proto 6 or ip proto 17'],
    ['vni 7 or 8', 'vni 7 or vni 8'],
    ['session a or b', 'session a or session b'],
    // What is not written.
    ['src 10.0.0.1', 'src host 10.0.0.1'],
    ['host 10.0.0.1', 'src or dst host 10.0.0.1'],
    ['dst or src port 80', 'src or dst port 80'],
    ['src and dst port 80', 'dst and src port 80'],
    ['port http', 'tcp port 80'],
    ['port domain', 'port 53'],
    ['portrange 443-80', 'portrange 80-443'],
    ['net 10', 'net 10.0.0.0/8'],
    ['net 10.1.2', 'net 10.1.2.0 mask 255.255.255.0'],
    ['ether host 2:0:0:0:0:a', 'ether host 02-00-00-00-00-0a'],
    ['ether host 0200.0000.000a', 'link host 02000000000a'],
    ['multicast', 'ether multicast'],
    ['tcp[tcpflags] & tcp-syn != 0', 'tcp[13] & 2 != 0'],
    ['less 64', 'not len > 64'],
    ['greater 64', 'len >= 64'],
    ['length == 0x40', 'len = 0100'],
    // Arithmetic, with what libpcap has no precedence for.
    ['ip[2] + 3 * 2 = 7', 'ip[2] + (3 * 2) = 7'],
    ['ip[2] - 3 - 2 = 7', '(ip[2] - 3) - 2 = 7'],
    ['ip[2] | 3 & ip[3] << 2 = 7', 'ip[2] | (3 & (ip[3] << 2)) = 7'],
    ['len % 5 + 1 = 3', 'len % (5 + 1) = 3'],
    ['len * 5 ^ 2 & ip[0] = 3', 'len * (5 ^ (2 & ip[0])) = 3'],
    ['-len = 5', '(-len) = 5'],
    ['ip[(2)] = ((5))', 'ip[2] = 5'],
    ['5 < ip[8]', 'ip[8] > 5'],
    // White space and brackets.
    ['tcp&&(udp)||!ip', 'tcp and udp or not ip'],
    ['ip[0]&0xf!=5', 'ip[0] & 0xf != 5'],
    ['tcp and(port 80)', 'tcp and port 80'],
  ])('reads "%s" like "%s"', (text, same) => {
    // A comparison of the two could not differ, were both always empty.
    expect(JSON.stringify(meaning(text)).length).toBeGreaterThan(20)
    expect(meaning(text)).toEqual(meaning(same))
  })

  test('wants everything where nothing is written', () => {
    expect(parseExpression('')).toBeUndefined()
    expect(parseExpression(' \t\n')).toBeUndefined()
  })

  test.each([
    ['tpc port 80', 1, 'tpc', 'did you mean "tcp"?'],
    ['tcp prot 80', 5, 'prot', 'did you mean "port"?'],
    ['tcp port 80 443', 13, '443', '"and" or "or" is missing'],
    ['host example.com', 6, 'example.com', 'names are not looked up'],
    ['net localnet', 5, 'localnet', 'names are not looked up'],
    ['10.0.0.1', 1, '10.0.0.1', '"host" or "net"'],
    ['tcp and 10.0.0.1', 9, '10.0.0.1', '"host" or "net"'],
    ['tcp or 80', 8, '80', 'say what it is'],
    ['ip proto tcp', 10, 'tcp', 'write "\\tcp"'],
    ['ip proto \\quic', 10, '\\quic', 'no such protocol is known'],
    ['ip proto 256', 10, '256', '255 at most'],
    ['tcp proto 6', 1, 'tcp', 'before "proto"'],
    ['port 65536', 6, '65536', '65535 at most'],
    ['port 80-90', 6, '80-90', 'say "portrange"'],
    ['port nosuch', 6, 'nosuch', 'no such service is known'],
    ['udp port http', 10, 'http', 'a service of tcp'],
    ['icmp port 80', 1, 'icmp', 'it has no ports'],
    ['portrange 1-70000', 11, '1-70000', 'a range of ports'],
    ['port 10.0.0.1', 6, '10.0.0.1', 'this is an address'],
    ['host 10.0.0.256', 6, '10.0.0.256', 'no IPv4 address'],
    ['host 10.0.0.0/8', 15, '8', 'say "net"'],
    ['net 10.0.0.1/8', 5, '10.0.0.1', 'outside of its mask'],
    ['net 10.0.0.0/33', 14, '33', '32 bits at most'],
    ['net 2001:db8::1/32', 5, '2001:db8::1', 'outside of its mask'],
    ['tcp host 10.0.0.1', 10, '10.0.0.1', 'cannot have this address'],
    ['ip host ::1', 9, '::1', 'cannot have this address'],
    ['host 02:00:00:00:00:01', 6, '02:00:00:00:00:01', 'say "ether host"'],
    ['ether host 10.0.0.1', 12, '10.0.0.1', 'cannot have this address'],
    ['ip broadcast', 4, 'broadcast', 'depends on a netmask'],
    ['tcp multicast', 5, 'multicast', 'have a multicast'],
    ['vlan 4096', 6, '4096', '4095 at most'],
    ['mpls 1048576', 6, '1048576', '1048575 at most'],
    ['mpls and arp', 10, 'arp', 'after "mpls"'],
    ['mpls and vlan', 10, 'vlan', 'VLAN tags cannot follow "mpls"'],
    ['pppoes and vlan', 12, 'vlan', 'PPP'],
    ['vni 16777216', 5, '16777216', '16777215 at most'],
    ['vni seven', 5, 'seven', 'a number must stand here'],
    ['ip vni 7', 1, 'ip', 'before "vni"'],
    ['src vni 7', 5, 'vni', 'neither source nor destination'],
    ['len', 0, '', 'must be compared'],
    ['tcp[13]', 0, '', 'must be compared'],
    ['tcp[13:3] = 1', 8, '3', '1, 2 or 4'],
    ['tcp[13 = 1', 8, '=', 'a "]" is missing'],
    ['ah[0] = 1', 1, 'ah', 'write "ether[N]"'],
    ['len / 0 = 1', 5, '/', 'divides by zero'],
    ['len % (1 - 1) = 1', 5, '%', 'division by zero is undefined'],
    ['len << 32 = 1', 5, '<<', '31 at most'],
    ['port 089', 6, '089', 'octal'],
    ['len = 4294967296', 7, '4294967296', '32 bits'],
    ['(tcp', 0, '', 'a ")" is missing'],
    ['tcp ! udp', 5, '!', '"and" or "or" is missing'],
    ['tcp and && udp', 9, '&&', 'no condition can begin'],
    ['wlan[length] = 1 length', 18, 'length', '"and" or "or" is missing'],
    ['tcp)', 4, ')', '"and" or "or" is missing'],
    ['tcp and', 0, '', 'something is missing'],
    ['src or port 80', 8, 'port', '"dst" is missing'],
    ['host', 0, '', 'an address must stand here'],
    ['ip protochain 6', 4, 'protochain', 'not supported'],
    ['gateway router', 1, 'gateway', 'not supported'],
    ['src gateway router', 5, 'gateway', 'not supported'],
    ['geneve', 1, 'geneve', 'not supported'],
    ['inbound', 1, 'inbound', 'not supported'],
    ['wlan type mgt', 6, 'type', 'not supported'],
    ['ip and byte 3 = 1', 8, 'byte', 'write "ether[N]"'],
    ['tcp @ udp', 5, '@', 'cannot be part of a pcap-filter(7) expression'],
    ['host $10', 6, '$10', 'cannot be part of a pcap-filter(7) expression'],
  ] as const)(
    'refuses "%s" in one line with column %i, "%s" and why: %s',
    (text, column, word, why) => {
      const message = messageOf(text)
      expect(message).toContain(column === 0 ? 'at its end' : `at column ${column}, "${word}"`)
      expect(message).toContain(why)
    },
  )

  test('takes long expressions, and refuses those that are too deep or too long', () => {
    const hosts = Array.from(
      { length: 3000 },
      (_, index) => `host 10.0.${index >> 8}.${index & 255}`,
    )
    expect(messageOf(hosts.join(' or '))).toBe('accepted')
    expect(messageOf(`${'('.repeat(150)}tcp${')'.repeat(150)}`)).toBe('accepted')
    expect(messageOf(`${'('.repeat(1e5)}tcp`)).toContain('nested too deeply')
    expect(messageOf(`${'not '.repeat(5e4)}tcp`)).toContain('nested too deeply')
    expect(messageOf(`${'-'.repeat(1e5)}len = 1`)).toContain('nested too deeply')
    expect(messageOf(`tcp[${'tcp['.repeat(1e4)}`)).toContain('nested too deeply')
    expect(messageOf(`len${' + len'.repeat(1e4)} = 1`)).toContain('too long')
    expect(messageOf(`len${' % len'.repeat(1e4)} = 1`)).toContain('nested too deeply')
    expect(messageOf('tcp or '.repeat(1e5))).toContain('characters at most')
  })

  test.each([1, 2, 3])('throws nothing but OperatorError at random text, seed %i', (seed) => {
    const random = new Random(seed)
    const words = [...new Set(EXPRESSIONS.flatMap((text) => text.match(/[\w.:\\-]+|\S/g) ?? []))]
    for (let round = 0; round < 1500; round++) {
      const length = random.below(12)
      const parts = Array.from({ length }, () =>
        random.below(20) === 0 ? String.fromCharCode(random.below(300)) : random.pick(words),
      )
      const text = parts.join(random.below(4) === 0 ? '' : ' ')
      try {
        if (text.trim() !== '') messageOf(text)
      } catch (error) {
        throw new Error(`at ${JSON.stringify(text)}`, { cause: error })
      }
    }
  })
})
