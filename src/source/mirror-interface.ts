import { networkInterfaces } from 'node:os'
import { OperatorError } from '../errors.js'
import type { NetworkInterface } from '../mirror/resources.js'
import { parseAddress, parseMac } from '../wire/address.js'
import type { MirrorPlan } from './mirror-plan.js'

/** What this host says of an interface. */
export interface HostInterface {
  readonly mac: string
  readonly addresses: readonly string[]
}

/**
 * Of a plan what concerns the interface `name` of this host: all, where one interface alone
 * has sessions; else the interface that has its hardware address or one of its IP addresses.
 */
export function planOfInterface(
  plan: MirrorPlan,
  name: string,
  host: HostInterface = hostInterface(name),
): MirrorPlan {
  if (plan.length === 1) return plan
  const own = plan.filter(({ networkInterface }) => isOf(networkInterface!, host))
  if (own.length === 1) return own
  const ids = (own.length === 0 ? plan : own).map(({ networkInterface }) => networkInterface!.id)
  throw new OperatorError(
    plan.length === 0
      ? 'the session file has no session of an interface'
      : `${name} may be any of ${ids.join(', ')}: give the MacAddress or PrivateIpAddress of one of them, or a file with the sessions of one`,
    { exitCode: 2 },
  )
}

function isOf({ macAddress, addresses }: NetworkInterface, host: HostInterface): boolean {
  const mac = macAddress === undefined ? undefined : parseMac(macAddress)
  if (mac !== undefined && mac === parseMac(host.mac)) return true
  const own = new Set(host.addresses.map(wordsOf))
  return addresses.some((address) => own.has(wordsOf(address)))
}

function wordsOf(address: string): string {
  return parseAddress(address)?.join() ?? address
}

function hostInterface(name: string): HostInterface {
  const entries = networkInterfaces()[name] ?? []
  return { mac: entries[0]?.mac ?? '', addresses: entries.map(({ address }) => address) }
}
