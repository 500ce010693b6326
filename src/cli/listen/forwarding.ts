import { OperatorError } from '../../errors.js'
import { ExpressionFilter } from '../../filter/expression-filter.js'
import { Forward } from '../../forward/forward.js'
import type { PcapServerOptions } from '../../forward/messages.js'
import { parseHostPort } from '../../wire/host-port.js'
import type { ListenOptions } from './options.js'

/** Starts what gives packets on to other tools, where options ask for it. Throws OperatorError. */
export async function openForward(
  { pcapOverIp = [], tap, workers }: Pick<ListenOptions, 'pcapOverIp' | 'tap' | 'workers'>,
  { say, warn }: { say(line: string): void; warn(line: string): void },
): Promise<Forward | undefined> {
  const servers = pcapOverIp.map(serverOf)
  if (servers.length === 0 && tap === undefined) return undefined
  const forward = await Forward.start({ workers, servers, tap }, warn)
  for (const [index, { host, filter }] of servers.entries()) {
    const what = filter === undefined ? 'every packet' : `packets of "${filter}"`
    say(`pcap over IP at ${hostPortText(host, forward.ports[index]!)}: ${what}`)
  }
  if (tap !== undefined) say(`packets appear on the tap device ${tap}`)
  return forward
}

/** `57012`, `127.0.0.1:57012`, `[::1]:57012=vni 7`. Throws OperatorError (exit code 2). */
function serverOf(text: string): PcapServerOptions {
  const [, place, filter] = /^([^=]*)(?:=(.*))?$/s.exec(text)!
  const isPort = /^\d+$/.test(place!)
  const found = parseHostPort(isPort ? `127.0.0.1:${place}` : place!, { isZeroAllowed: true })
  if (found === undefined) {
    throw new OperatorError(
      `--pcap-over-ip: "${place}" is not ADDR:PORT: give one such as 127.0.0.1:57012, or a port alone`,
      { exitCode: 2 },
    )
  }
  // Refused here rather than in a thread.
  if (filter !== undefined) new ExpressionFilter(filter)
  return { ...found, filter }
}

function hostPortText(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
