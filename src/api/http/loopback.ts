import { lookup } from 'node:dns/promises'
import { BlockList, isIPv6 } from 'node:net'
import type { HeaderFields } from '../../aws/protocol/request.js'
import { OperatorError } from '../../errors.js'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Of an IP address, `::ffff:127.0.0.1` among them; false for anything else. */
export function isLoopback(address: string): boolean {
  return LOOPBACK.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/** The IP address to bind for `host`. Throws OperatorError when there is none, or when others could reach it although nobody signs. */
export async function bindAddress(host: string, isOpen: boolean): Promise<string> {
  let address: string
  try {
    address = (await lookup(host)).address
  } catch (error) {
    throw new OperatorError(`--api: there is no address for "${host}"`, { cause: error })
  }
  if (isOpen && !isLoopback(address)) {
    throw new OperatorError(
      `--no-auth lets everybody in who can reach ${host}: use it with --api 127.0.0.1:PORT, or leave it out`,
      { exitCode: 2 },
    )
  }
  return address
}

/**
 * Whether a request may come from a page that a browser on this host shows. Without signatures
 * such a page could send forms here, or have its own name point to loopback; other clients name the
 * address they were told to use and no origin.
 */
export function isFromPage(headers: HeaderFields): boolean {
  const host = headers.get('host') ?? ''
  const name = host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')
  if (!/^localhost$/i.test(name) && !isLoopback(name)) return true
  const origin = headers.get('origin')
  return origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`
}
