import { ApiError, type Caller } from '../../aws/protocol/action.js'

/**
 * What stands for a firewall here: the whole appliance, or one of its mirror
 * sessions by its name (a registered `tms-…`, else `vni-<VNI>_<source>`).
 */
export interface Firewall {
  /** `arn:aws:network-firewall:<region>:<account>:firewall/<name>`. */
  readonly arn: string
  readonly name: string
  /** undefined: the whole appliance. */
  readonly session: string | undefined
}

/** The firewall that is the whole appliance. */
export const APPLIANCE = 'mirrortap'

const ARN = /^arn:aws:network-firewall:([^:]*):([^:]*):firewall\/(.+)$/

export function firewallNamed(name: string, { region, accountId }: Owner): Firewall {
  return {
    arn: `arn:aws:network-firewall:${region}:${accountId}:firewall/${name}`,
    name,
    session: name === APPLIANCE ? undefined : name,
  }
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
  const firewall = firewallNamed(match[3]!, owner)
  if (firewall.arn !== arn) throw noFirewall(arn)
  return firewall
}

export function noFirewall(arn: string): ApiError {
  return new ApiError('ResourceNotFoundException', `There is no firewall ${arn}`)
}

type Owner = Pick<Caller, 'region' | 'accountId'>
