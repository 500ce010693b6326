import { describe, expect, test } from 'vitest'
import { AmazonDns, isNeverMirrored } from '../../src/mirror/network-services.js'
import {
  ethernet,
  fragments4,
  icmp4,
  icmp6,
  tcp4,
  tcp6,
  udp4,
  udp6,
  vlan,
} from '../support/frames.js'
import { hex } from '../support/hex.js'
import { framed } from './verdicts.js'

const HOST = '10.0.1.20'
const HOST6 = '2001:db8::20'
const arp = ethernet(hex`00010800`, { type: 0x0806 })

const to = (dst: string, dport = 80) => ethernet(tcp4({ src: HOST, dst, sport: 5000, dport }))
const to6 = (dst: string, dport = 80) => ethernet(tcp6({ src: HOST6, dst, sport: 5000, dport }))

describe('isNeverMirrored', () => {
  test.each([
    { name: 'ARP', frame: arp },
    { name: 'ARP behind a VLAN tag', frame: vlan([7], arp) },
    {
      name: 'a DHCP request',
      frame: ethernet(udp4({ src: '0.0.0.0', dst: '255.255.255.255', sport: 68, dport: 67 })),
    },
    {
      name: 'a DHCP offer',
      frame: ethernet(udp4({ src: '10.0.1.1', dst: HOST, sport: 67, dport: 68 })),
    },
    {
      name: 'DHCP between relay and server',
      frame: ethernet(udp4({ src: '10.0.1.1', dst: '10.0.2.1', sport: 67, dport: 67 })),
    },
    {
      name: 'a DHCPv6 solicitation',
      frame: ethernet(udp6({ src: 'fe80::1', dst: 'ff02::1:2', sport: 546, dport: 547 })),
    },
    { name: 'a request for metadata', frame: to('169.254.169.254') },
    { name: 'a request for metadata over IPv6', frame: to6('fd00:ec2::254') },
    {
      name: 'an answer with metadata',
      frame: ethernet(tcp4({ src: '169.254.169.254', dst: HOST, sport: 80, dport: 5000 })),
    },
    {
      name: 'a later fragment of metadata',
      frame: ethernet(
        fragments4(
          udp4({
            src: '169.254.169.254',
            dst: HOST,
            sport: 80,
            dport: 1,
            payload: Buffer.alloc(3000),
          }),
          1500,
        )[1]!,
      ),
    },
    {
      name: 'the time service',
      frame: ethernet(udp4({ src: HOST, dst: '169.254.169.123', sport: 123, dport: 123 })),
    },
    {
      name: 'the time service over IPv6',
      frame: ethernet(udp6({ src: HOST6, dst: 'fd00:ec2::123', sport: 123, dport: 123 })),
    },
    { name: 'Windows activation', frame: to('169.254.169.250', 1688) },
    { name: 'its other server', frame: to('169.254.169.251', 1688) },
    { name: 'Windows activation over IPv6', frame: to6('fd00:ec2::250', 1688) },
    { name: 'its other server over IPv6', frame: to6('fd00:ec2::251', 1688) },
  ])('knows $name', ({ frame }) => {
    expect(isNeverMirrored(framed(frame))).toBe(true)
  })

  test.each([
    { name: 'ordinary traffic', frame: to('198.51.100.1') },
    { name: 'ordinary traffic over IPv6', frame: to6('2001:db8::1') },
    {
      name: 'time from a public server',
      frame: ethernet(udp4({ src: HOST, dst: '192.0.2.123', sport: 123, dport: 123 })),
    },
    { name: 'the resolver, which has rules of its own', frame: to('169.254.169.253', 53) },
    { name: 'another link-local address', frame: to('169.254.169.1') },
    { name: 'the same number in another network', frame: to('169.254.168.254') },
    { name: 'the same digits behind another prefix', frame: to6('fd00:ec2:0:1::254') },
    { name: 'the same digits and more before them', frame: to6('fd00:ec2::1:0:254') },
    { name: 'the same value in other digits', frame: to6('fd00:ec2::fe') },
    {
      name: 'UDP from a DHCP port to another',
      frame: ethernet(udp4({ src: HOST, dst: '10.0.0.9', sport: 68, dport: 69 })),
    },
    { name: 'TCP to a DHCP port', frame: to('10.0.0.9', 67) },
    {
      name: 'DHCPv6 ports over IPv4',
      frame: ethernet(udp4({ src: HOST, dst: '10.0.0.9', sport: 546, dport: 547 })),
    },
    {
      name: 'neighbor discovery',
      frame: ethernet(icmp6({ src: 'fe80::1', dst: 'ff02::1:ff00:2', type: 135 })),
    },
    { name: 'ICMP', frame: ethernet(icmp4({ src: HOST, dst: '10.0.0.9', type: 8 })) },
    { name: 'a frame without IP', frame: ethernet(hex`00`, { type: 0x88cc }) },
    { name: 'a frame that is none', frame: hex`0102` },
  ])('lets rules decide about $name', ({ frame }) => {
    expect(isNeverMirrored(framed(frame))).toBe(false)
  })
})

describe('AmazonDns', () => {
  test('knows the resolver in the VPC by its address alone', () => {
    const dns = new AmazonDns('10.0.0.0/16')
    expect(dns.has(framed(to('10.0.0.2', 443)))).toBe(true)
    expect(dns.has(framed(to('10.0.0.3', 53)))).toBe(false)
    expect(new AmazonDns(undefined).has(framed(to('10.0.0.2', 53)))).toBe(false)
  })

  test('finds it in a block at the upper end of the addresses', () => {
    expect(new AmazonDns('192.168.0.0/20').has(framed(to('192.168.0.2')))).toBe(true)
  })

  test('takes all DNS where the VPC is not known, and nothing else', () => {
    const dns = new AmazonDns(undefined)
    expect(dns.mayHave(framed(to('192.0.2.1', 53)))).toBe(true)
    expect(dns.mayHave(framed(to('192.0.2.1', 54)))).toBe(false)
    expect(dns.mayHave(framed(ethernet(icmp4({ src: HOST, dst: HOST, type: 8 }))))).toBe(false)
    expect(new AmazonDns('10.0.0.0/16').mayHave(framed(to('192.0.2.1', 53)))).toBe(false)
  })
})
