import { ApiError, type Caller } from '../../aws/protocol/action.js'

/**
 * What stands for a firewall here: the whole appliance, or one of its mirror sessions. A
 * registered one has its id for a name; `vni-<VNI>_<source>` is `vni-<VNI>-<source>` with
 * hyphens for dots and colons, as AWS's model allows no others. The session's own name
 * is understood as well.
 */
export interface Firewall {
  /** `arn:aws:network-firewall:<region>:<account>:firewall/<name>`. */
  readonly arn: string
  readonly name: string
  /** Name of the session; undefined: the whole appliance. */
  readonly session: string | undefined
}

/** The firewall that is the whole appliance. */
export const APPLIANCE = 'mirrortap'

const ARN = /^arn:aws:network-firewall:([^:]*):([^:]*):firewall\/(.+)$/

/** The firewall of a name, be it that of a session. */
export function firewallNamed(given: string, { region, accountId }: Owner): Firewall {
  const session = sessionNamed(given)
  const name = session.replace(/[^a-zA-Z0-9-]/g, '-')
  return {
    arn: `arn:aws:network-firewall:${region}:${accountId}:firewall/${name}`,
    name,
    session: session === APPLIANCE ? undefined : session,
  }
}

/** The session that a firewall is named for. Four groups are an address of IPv4: of IPv6 there are more, or two hyphens in a row. */
function sessionNamed(name: string): string {
  const [, vni, source] = /^vni-(\d+)-(any|[0-9a-f-]+)$/.exec(name) ?? []
  if (vni === undefined || source === undefined) return name
  const separator = /^\d+(?:-\d+){3}$/.test(source) ? '.' : ':'
  return `vni-${vni}_${source.replaceAll('-', separator)}`
}

/**
 * The firewall of an ARN; whether there is such a session is not looked at.
 * InvalidRequestException for what is no ARN of a firewall,
 * ResourceNotFoundException for one of another region or account.
 */
export function firewallOf(arn: string, owner: Owner): Firewall {
  const match = ARN.exec(arn)
  if (match === null) {
    throw new ApiError(
      'InvalidRequestException',
      'FirewallArn is not the ARN of a firewall: arn:aws:network-firewall:<region>:<account>:firewall/<name>',
    )
  }
  const [, region, accountId, name] = match
  if (region !== owner.region || accountId !== owner.accountId) throw noFirewall(arn)
  return firewallNamed(name!, owner)
}

export function noFirewall(arn: string): ApiError {
  return new ApiError('ResourceNotFoundException', `There is no firewall ${arn}`)
}

type Owner = Pick<Caller, 'region' | 'accountId'>
