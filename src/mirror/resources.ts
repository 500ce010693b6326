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
  readonly protocol?: number
  readonly sourcePortRange?: PortRange
  readonly destinationPortRange?: PortRange
  /** `10.0.0.0/8`, `::/0`; a rule sees packets of this IP version only. */
  readonly sourceCidr: string
  readonly destinationCidr: string
  readonly description?: string
  readonly tags: readonly Tag[]
}

/** Traffic of services that is mirrored only on request. */
export type NetworkService = 'amazon-dns'

export interface MirrorFilter {
  /** `tmf-…`. */
  readonly id: string
  readonly description?: string
  readonly networkServices: readonly NetworkService[]
  readonly rules: readonly FilterRule[]
  readonly tags: readonly Tag[]
}

export interface MirrorTarget {
  /** `tmt-…`. */
  readonly id: string
  readonly description?: string
  readonly ownerId: string
  readonly kind: 'network-interface' | 'network-load-balancer' | 'gateway-load-balancer-endpoint'
  /** `eni-…`, the load balancer's ARN, or `vpce-…`, by `kind`. */
  readonly address: string
  readonly tags: readonly Tag[]
}

export interface MirrorSession {
  /** `tms-…`. */
  readonly id: string
  readonly description?: string
  readonly ownerId: string
  /** `eni-…` of the mirrored interface. */
  readonly networkInterfaceId: string
  readonly targetId: string
  readonly filterId: string
  /** Octets kept of each frame, behind the VXLAN header; undefined keeps all. */
  readonly packetLength?: number
  /** 1 … 32766. Of an interface's sessions the one with the lowest number whose filter accepts gets the packet. */
  readonly sessionNumber: number
  /** VNI, 24 bits. */
  readonly virtualNetworkId: number
  readonly tags: readonly Tag[]
}

/** An interface that may be mirrored: how its packets are known, and what their records say of it. */
export interface NetworkInterface {
  /** `eni-…`. */
  readonly id: string
  /** Primary address first; the outer source of what it mirrors. */
  readonly addresses: readonly string[]
  /** `aa:bb:cc:dd:ee:ff`. */
  readonly macAddress?: string
  readonly vpcId?: string
  readonly subnetId?: string
  readonly instanceId?: string
  readonly accountId?: string
  readonly availabilityZoneId?: string
}
