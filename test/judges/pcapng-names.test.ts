import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

/** What tshark calls the destinations, by the name resolution blocks of the file alone. */
function destinations(path: string): Set<string> {
  const only = [
    ['-o', 'nameres.network_name:TRUE'],
    ['-o', 'nameres.dns_pkt_addr_resolution:FALSE'],
    ['-o', 'nameres.use_external_name_resolver:FALSE'],
    ['-o', 'nameres.hosts_file_handling:TRUE'],
  ].flat()
  const fields = ['-T', 'fields', '-e', 'ip.dst_host', '-e', 'ipv6.dst_host']
  const out = execFileSync('tshark', ['-r', path, '-N', 'n', ...only, ...fields], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return new Set(out.split(/\s+/))
}

describe.skipIf(!hasTool('tshark'))('Wireshark shows the names of addresses', () => {
  test.each([
    ['capture', ['capture', '--read', SAMPLE]],
    ['find', ['find', 'ip or ip6', SAMPLE]],
  ])('of a pcapng file that %s writes, but not with --no-names', async (_command, args) => {
    const path = join(temporaryDirectory(), 'x.pcapng')
    await runCommand(...args, '-w', path)
    expect(destinations(path)).toContain('www.example.com')
    const without = join(temporaryDirectory(), 'x.pcapng')
    await runCommand(...args, '--no-names', '-w', without)
    expect(destinations(without)).not.toContain('www.example.com')
  })
})
