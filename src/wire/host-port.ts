import { parseIpv4, parseIpv6 } from './address.js'
import { PORT_MAX } from './ports.js'

/** Where something listens. */
export interface HostPort {
  /** A name or an address, IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

interface HostPortRules {
  /** The port where none is written; without it one must be. */
  readonly defaultPort?: number
  /** 0 is for those that listen: the kernel then chooses one. */
  readonly isZeroAllowed?: boolean
}

/**
 * `NAME:PORT`, `10.0.0.5:4789`, `[2001:db8::5]:4789`; with a default port also without one, and IPv6
 * without brackets. An IPv6 address may have a zone (`fe80::1%eth0`). Undefined for anything else.
 */
export function parseHostPort(
  text: string,
  { defaultPort, isZeroAllowed = false }: HostPortRules = {},
): HostPort | undefined {
  if (defaultPort !== undefined && isIpv6(text)) return { host: text, port: defaultPort }
  const match = /^(?:\[([^\]]*)\]|([^:\s[\]/@]+))(?::(\d{1,5}))?$/.exec(text)
  if (match === null) return undefined
  const [, inBrackets, name, digits] = match
  const port = digits === undefined ? defaultPort : Number(digits)
  if (port === undefined || port > PORT_MAX || (port === 0 && !isZeroAllowed)) return undefined
  if (inBrackets !== undefined) return isIpv6(inBrackets) ? { host: inBrackets, port } : undefined
  // What has digits and dots alone is no name: 10.0.0.256 is a mistake.
  if (/^[\d.]+$/.test(name!) && parseIpv4(name!) === undefined) return undefined
  return { host: name!, port }
}

/** As `parseHostPort` reads it. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function isIpv6(text: string): boolean {
  const [address, zone, ...rest] = text.split('%')
  return parseIpv6(address!) !== undefined && zone !== '' && rest.length === 0
}
