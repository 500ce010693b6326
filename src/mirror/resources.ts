/**
 * What AWS calls the parts of Traffic Mirroring, as data: what the API creates,
 * what a session file declares, what a state file keeps and what receiver and
 * mirror source evaluate. Numbers and octets only; the API's spelling of them is
 * the API's business.
 *
 * https://docs.aws.amazon.com/vpc/latest/mirroring/traffic-mirroring-how-it-works.html
 */

export interface Tag {
  readonly key: string
  readonly value: string
}

/** Both ends included. */
export interface PortRange {
  readonly from: number
  readonly to: number
}

export type TrafficDirection = 'ingress' | 'egress'

export interface FilterRule {
  /** `tmfr-…`. */
  readonly id: string
  /** As seen from the mirrored interface. */
  readonly direction: TrafficDirection
  /** Rules of a direction are tried by ascending number. */
  readonly ruleNumber: number
  readonly action: 'accept' | 'reject'
  /** IANA number; undefined is every protocol. */
  readonly protocol?: number | undefined
  readonly sourcePortRange?: PortRange | undefined
  readonly destinationPortRange?: PortRange | undefined
  /** `10.0.0.0/8`, `::/0`; a rule sees packets of this IP version only. */
  readonly sourceCidr: string
  readonly destinationCidr: string
  readonly description?: string | undefined
  readonly tags: readonly Tag[]
}

/** Traffic of services that is mirrored only on request. */
export type NetworkService = 'amazon-dns'

export interface MirrorFilter {
  /** `tmf-…`. */
  readonly id: string
  readonly description?: string | undefined
  readonly networkServices: readonly NetworkService[]
  readonly rules: readonly FilterRule[]
  readonly tags: readonly Tag[]
}

export interface MirrorTarget {
  /** `tmt-…`. */
  readonly id: string
  readonly description?: string | undefined
  readonly ownerId: string
  readonly kind: 'network-interface' | 'network-load-balancer' | 'gateway-load-balancer-endpoint'
  /** `eni-…`, the load balancer's ARN, or `vpce-…`, by `kind`. */
  readonly address: string
  readonly tags: readonly Tag[]
}

/**
 * The largest PacketLength of a session, in bytes. A load balancer passes on no more, so it is
 * also the length of a session to one that names none (EC2 API, CreateTrafficMirrorSession).
 */
export const PACKET_LENGTH_MAX = 8500

export interface MirrorSession {
  /** `tms-…`. */
  readonly id: string
  readonly description?: string | undefined
  readonly ownerId: string
  /** `eni-…` of the mirrored interface. */
  readonly networkInterfaceId: string
  readonly targetId: string
  readonly filterId: string
  /** Octets kept of each frame, behind the VXLAN header; undefined keeps all. */
  readonly packetLength?: number | undefined
  /** 1 … 32766. Of an interface's sessions the one with the lowest number whose filter accepts gets the packet. */
  readonly sessionNumber: number
  /** VNI, 24 bits. */
  readonly virtualNetworkId: number
  readonly tags: readonly Tag[]
}

/**
 * What a flow log may be created for. A VPC or subnet stands for each of its interfaces that is mirrored,
 * a transit gateway for what crosses it between two VPCs, its attachment for what does so there.
 */
export type FlowLogResourceType =
  | 'VPC'
  | 'Subnet'
  | 'NetworkInterface'
  | 'TransitGateway'
  | 'TransitGatewayAttachment'

export type FlowLogDestinationType = 'cloud-watch-logs' | 's3' | 'kinesis-data-firehose'

/** How the files of a flow log are written and named. */
export interface FlowLogDestinationOptions {
  readonly fileFormat: 'plain-text' | 'parquet'
  readonly hiveCompatiblePartitions: boolean
  readonly perHourPartition: boolean
}

/** Tag keys whose values a flow log's tag fields hold. */
export interface FlowLogTagFields {
  readonly resourceType: 'network-interface' | 'instance' | 'auto-scaling-group'
  /** One or two. */
  readonly tagKeys: readonly string[]
}

/** Immutable but for its tags, as AWS's are. */
export interface FlowLog {
  /** `fl-…`. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** `eni-…`, `subnet-…`, `vpc-…`, `tgw-…` or `tgw-attach-…`, by `resourceType`. */
  readonly resourceId: string
  readonly resourceType: FlowLogResourceType
  /** Of REJECT there are no records: what is rejected is not mirrored. Those of transit gateways have none. */
  readonly trafficType?: 'ACCEPT' | 'REJECT' | 'ALL' | undefined
  readonly destinationType: FlowLogDestinationType
  /** ARN of bucket (and folder), log group or delivery stream. */
  readonly destination?: string | undefined
  readonly logGroupName?: string | undefined
  readonly permissionArn?: string | undefined
  readonly crossAccountRole?: string | undefined
  /** `${version} ${account-id} …`, never empty. */
  readonly logFormat: string
  /** 60 or 600. */
  readonly maxAggregationSeconds: number
  readonly destinationOptions?: FlowLogDestinationOptions | undefined
  readonly tagFields: readonly FlowLogTagFields[]
  readonly tags: readonly Tag[]
}

/** An interface that may be mirrored: how its packets are known, and what their records say of it. */
export interface NetworkInterface {
  /** `eni-…`. */
  readonly id: string
  /** Primary address first; the outer source of what it mirrors. */
  readonly addresses: readonly string[]
  /** `aa:bb:cc:dd:ee:ff`. */
  readonly macAddress?: string | undefined
  readonly vpcId?: string | undefined
  /** Primary IPv4 block of the VPC; its base plus two is the address of the VPC's resolver. */
  readonly vpcCidrBlock?: string | undefined
  readonly subnetId?: string | undefined
  readonly instanceId?: string | undefined
  readonly accountId?: string | undefined
  readonly availabilityZoneId?: string | undefined
  readonly tags?: readonly Tag[] | undefined
  /** Of its instance. */
  readonly instanceTags?: readonly Tag[] | undefined
}

/** The VPCs it joins, as the configuration names them. */
export interface TransitGateway {
  /** `tgw-…`. */
  readonly id: string
  readonly ownerId?: string | undefined
  readonly attachments: readonly TransitGatewayAttachment[]
}

/** A VPC at a transit gateway. */
export interface TransitGatewayAttachment {
  /** `tgw-attach-…`. */
  readonly id: string
  readonly vpcId: string
  readonly vpcOwnerId?: string | undefined
  /** Those that the gateway has an interface in. */
  readonly subnetIds: readonly string[]
  /** Of the VPC: whose addresses are behind it. */
  readonly cidrBlocks: readonly string[]
}
