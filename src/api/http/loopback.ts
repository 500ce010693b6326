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
export async function bindAddress(
  host: string,
  isOpen: boolean,
  option = '--api',
): Promise<string> {
  let address: string
  try {
    address = (await lookup(host)).address
  } catch (error) {
    throw new OperatorError(`${option}: there is no address for "${host}"`, { cause: error })
  }
  if (isOpen && !isLoopback(address)) {
    throw new OperatorError(
      `--no-auth would let everyone who can reach ${host} use the API: use it with --api 127.0.0.1:PORT, or leave it out`,
      { exitCode: 2 },
    )
  }
  return address
}

/**
 * Whether a request may come from a browser, and so from any page that it shows: a form, an image,
 * a redirect, a name that was made to point to loopback. A page chooses none of the header fields
 * looked at here. Other clients send the address they were told to use as Host, and none of the rest.
 *
 * An address that a person types has the same header fields when it redirects here: `none` is no proof.
 */
export function isFromPage(headers: HeaderFields): boolean {
  const host = (headers.get('host') ?? '').toLowerCase()
  const name = host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')
  if (name !== 'localhost' && !isLoopback(name)) return true
  if (isOfOtherSite(headers)) return true
  const site = headers.get('sec-fetch-site')
  if (site !== undefined) return site !== 'same-origin'
  return /^Mozilla\//i.test(headers.get('user-agent') ?? '')
}

/**
 * Whether a request was caused by a page of this server: what a browser says by itself where it is
 * asked over HTTPS or loopback, and over plain HTTP what its page has it say (Referrer-Policy: same-origin).
 */
export function isFromOwnPage(headers: HeaderFields): boolean {
  if (isOfOtherSite(headers)) return false
  const site = headers.get('sec-fetch-site')
  if (site !== undefined) return site === 'same-origin'
  return headers.get('origin') !== undefined || headers.get('referer') !== undefined
}

/** Whether it names a page of another server. Behind a proxy with TLS the pages of this one are https. */
function isOfOtherSite(headers: HeaderFields): boolean {
  const host = (headers.get('host') ?? '').toLowerCase()
  const own = [`http://${host}`, `https://${host}`]
  const origin = headers.get('origin')?.toLowerCase()
  if (origin !== undefined && !own.includes(origin)) return true
  const referer = headers.get('referer')?.toLowerCase()
  if (referer === undefined) return false
  return !own.some((base) => referer === base || referer.startsWith(`${base}/`))
}
