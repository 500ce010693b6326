import { randomBytes } from 'node:crypto'
import { Refusal, type RefusalCode } from './refusal.js'

/** What has an id of its own, by the letters before the hyphen. */
const KINDS = {
  tms: {
    type: 'traffic-mirror-session',
    unknown: 'InvalidTrafficMirrorSessionId.NotFound',
    what: 'traffic mirror session ID',
  },
  tmt: {
    type: 'traffic-mirror-target',
    unknown: 'InvalidTrafficMirrorTargetId.NotFound',
    what: 'traffic mirror target ID',
  },
  tmf: {
    type: 'traffic-mirror-filter',
    unknown: 'InvalidTrafficMirrorFilterId.NotFound',
    what: 'traffic mirror filter ID',
  },
  tmfr: {
    type: 'traffic-mirror-filter-rule',
    unknown: 'InvalidTrafficMirrorFilterRuleId.NotFound',
    what: 'traffic mirror filter rule ID',
  },
  fl: { type: 'vpc-flow-log', unknown: 'InvalidFlowLogId.NotFound', what: 'flow log ID' },
} as const satisfies Record<string, { type: string; unknown: RefusalCode; what: string }>

export type IdPrefix = keyof typeof KINDS

/** What is known from the inventory alone; nobody makes it here. */
const INVENTORY = {
  eni: { unknown: 'InvalidNetworkInterfaceID.NotFound', what: 'networkInterface ID' },
  subnet: { unknown: 'InvalidSubnetID.NotFound', what: 'subnet ID' },
  vpc: { unknown: 'InvalidVpcID.NotFound', what: 'vpc ID' },
  i: { unknown: 'InvalidInstanceID.NotFound', what: 'instance ID' },
  tgw: { unknown: 'InvalidTransitGatewayID.NotFound', what: 'transitGateway ID' },
  'tgw-attach': {
    unknown: 'InvalidTransitGatewayAttachmentID.NotFound',
    what: 'transitGatewayAttachment ID',
  },
} as const satisfies Record<string, { unknown: RefusalCode; what: string }>

export type KnownPrefix = IdPrefix | keyof typeof INVENTORY

const NAMES = { ...KINDS, ...INVENTORY }

/** As `TagSpecification` and `DescribeTags` name the kinds of resources. */
export type ResourceType = (typeof KINDS)[IdPrefix]['type']

/** `tms-0a1b2c3d4e5f60718`: 17 hexadecimal digits, as EC2 makes them. */
export function makeId(prefix: IdPrefix): string {
  return `${prefix}-${randomBytes(9).toString('hex').slice(0, 17)}`
}

/** The kind of resource that an id would be of, whether or not there is one of that id. */
export function prefixOf(id: string): IdPrefix | undefined {
  const prefix = id.slice(0, Math.max(0, id.indexOf('-')))
  return Object.hasOwn(KINDS, prefix) ? (prefix as IdPrefix) : undefined
}

/**
 * No resource has this id. EC2's list of codes has none for an id of these kinds that
 * is malformed, so that is not found either.
 */
export function unknownId(prefix: KnownPrefix, id: string): Refusal {
  const { unknown, what } = NAMES[prefix]
  return new Refusal(unknown, `The ${what} '${id}' does not exist`)
}

/** An id of EC2: `<prefix>-` and 17 hexadecimal digits, or 8 as long ago. */
export function isEc2Id(prefix: string, text: string): boolean {
  return (
    text.startsWith(`${prefix}-`) &&
    /^[0-9a-f]{8}(?:[0-9a-f]{9})?$/.test(text.slice(prefix.length + 1))
  )
}
