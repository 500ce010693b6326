import { isEc2Id } from '../../control/ids.js'
import { ARN_LENGTH_MAX } from '../../mirror/resources.js'
import { parseCidr } from '../../wire/address.js'

/** Text of a form that AWS checks before it looks anything up. */
interface Format {
  /** The code of what does not have the form. */
  readonly code: string
  readonly expected: string
  matches(text: string): boolean
}

/** `arn:aws:…`, `arn:aws-cn:…`, `arn:aws-us-gov:…`. */
const arn = (service: string, rest: string): RegExp =>
  new RegExp(`^arn:aws[a-z-]*:${service}:${rest}$`)

const NLB_ARN = arn(
  'elasticloadbalancing',
  '[a-z0-9-]+:\\d{12}:loadbalancer/net/[^/\\s]+/[0-9a-f]+',
)

/** More than any address and prefix length need. */
const CIDR_LENGTH_MAX = 64

const ROLE_ARN = arn('iam', ':\\d{12}:role/\\S+')

export const FORMATS = {
  'network-interface-id': {
    code: 'InvalidNetworkInterfaceId.Malformed',
    expected: 'eni- and 17 hexadecimal digits',
    matches: (text) => isEc2Id('eni', text),
  },
  'endpoint-id': {
    code: 'InvalidVpcEndpointId.Malformed',
    expected: 'vpce- and 17 hexadecimal digits',
    matches: (text) => isEc2Id('vpce', text),
  },
  'network-load-balancer-arn': {
    code: 'InvalidNetworkLoadBalancerArn.Malformed',
    expected: 'the ARN of a network load balancer',
    matches: (text) => text.length <= ARN_LENGTH_MAX && NLB_ARN.test(text),
  },
  /** With a prefix length, as EC2 wants it. */
  cidr: {
    code: 'InvalidParameterValue',
    expected: 'a block of addresses such as 10.0.0.0/8',
    matches: (text) =>
      text.length <= CIDR_LENGTH_MAX && text.includes('/') && parseCidr(text) !== undefined,
  },
  'client-token': {
    code: 'InvalidParameterValue',
    expected: '1 to 64 characters of ASCII',
    matches: (text) => /^[\x20-\x7e]{1,64}$/.test(text),
  },
  'role-arn': {
    code: 'InvalidParameter',
    expected: 'the ARN of a role',
    matches: (text) => text.length <= ARN_LENGTH_MAX && ROLE_ARN.test(text),
  },
  'log-group-name': {
    code: 'InvalidParameter',
    expected: '1 to 512 letters, digits and . - _ / #',
    matches: (text) => /^[.\-_/#A-Za-z0-9]{1,512}$/.test(text),
  },
} as const satisfies Record<string, Format>

export type FormatName = keyof typeof FORMATS
