import type { FlowRecord } from '../flow/flow-record.js'
import { SessionMetadata } from '../flowlog/metadata.js'
import {
  TRANSIT_GATEWAY_FIELDS,
  type TransitGatewayValues,
} from '../flowlog/transit-gateway-fields.js'
import type {
  NetworkInterface,
  TrafficDirection,
  TransitGateway,
  TransitGatewayAttachment,
} from '../mirror/resources.js'
import { type Cidr, cidrContains, MAPPED_WORD, parseAddress, parseCidr } from '../wire/address.js'

/** One of the two attachments that a flow crosses a transit gateway at. */
interface AttachmentMetadata {
  readonly attachmentId: string
  readonly metadata: SessionMetadata
}

/** A flow between two VPCs of a transit gateway. */
export interface Crossing {
  readonly gatewayId: string
  /** Where it enters the gateway from the source's VPC, then where it leaves it. */
  readonly ends: readonly [AttachmentMetadata, AttachmentMetadata]
  readonly source: NetworkInterface | undefined
  readonly destination: NetworkInterface | undefined
}

/** An attachment by itself, for what is said of it where no flow is. */
interface QuietAttachment extends AttachmentMetadata {
  readonly gatewayId: string
  readonly vpcId: string
}

interface Block {
  readonly cidr: Cidr
  readonly attachment: TransitGatewayAttachment
}

interface Gateway {
  readonly resource: TransitGateway
  /** The narrowest first. */
  readonly blocks: readonly Block[]
}

/** Pairs of attachments whose metadata are kept. With more, all are made anew. */
const PAIRS_MAX = 4096

/** Which transit gateway a flow crosses, by its addresses and the blocks of the attached VPCs. */
export class TransitGateways {
  /** Of all gateways. */
  readonly attachments: readonly QuietAttachment[]
  readonly #gateways: readonly Gateway[]
  readonly #base: TransitGatewayValues
  /** By address: VPCs that are not joined may have the same. */
  readonly #interfaces = new Map<number | string, NetworkInterface[]>()
  /** By subnet, as far as interfaces tell. */
  readonly #zones = new Map<string, string>()
  readonly #pairs = new Map<string, Crossing['ends']>()
  readonly #known: ReadonlyMap<string, NetworkInterface>
  /** Whether `#interfaces` and `#zones` hold what is known. */
  #isRead = false

  /** `base`: region, and the account of gateways whose owner is not known. */
  constructor(
    gateways: readonly TransitGateway[],
    interfaces: ReadonlyMap<string, NetworkInterface>,
    base: TransitGatewayValues,
  ) {
    this.#base = base
    this.#gateways = gateways.map((resource) => ({ resource, blocks: blocksOf(resource) }))
    this.attachments = gateways.flatMap((gateway) =>
      gateway.attachments.map(({ id, vpcId }) => ({
        gatewayId: gateway.id,
        attachmentId: id,
        vpcId,
        metadata: new SessionMetadata(this.#valuesOf(gateway, id), TRANSIT_GATEWAY_FIELDS),
      })),
    )
    this.#known = interfaces
  }

  interfacesChanged(): void {
    this.#isRead = false
  }

  /** Before a record is looked up, and not whenever one of many interfaces changes. */
  #readInterfaces(): void {
    if (this.#isRead) return
    this.#isRead = true
    this.#interfaces.clear()
    this.#zones.clear()
    this.#pairs.clear()
    for (const found of this.#known.values()) {
      for (const address of found.addresses) this.#noteAddress(parseAddress(address)!, found)
      const { subnetId, availabilityZoneId } = found
      if (subnetId !== undefined && availabilityZoneId !== undefined) {
        this.#zones.set(subnetId, availabilityZoneId)
      }
    }
  }

  /**
   * The gateway that the record's flow crosses, as seen at an interface in `vpcId`: the first
   * declared that both ends are attached to, of which that VPC is one; undefined where there
   * is none. A VPC that is not known may be either.
   */
  crossingOf(record: FlowRecord, vpcId: string | undefined): Crossing | undefined {
    if (this.#gateways.length === 0) return undefined
    this.#readInterfaces()
    const { packetSource, packetDestination, ipVersion, direction } = record
    for (const { resource, blocks } of this.#gateways) {
      const from = attachmentOf(blocks, packetSource, ipVersion)
      const to = attachmentOf(blocks, packetDestination, ipVersion)
      if (from === undefined || to === undefined || from === to) continue
      const isSeenThere =
        vpcId === undefined ||
        (vpcId === from.vpcId && direction !== 'ingress') ||
        (vpcId === to.vpcId && direction !== 'egress')
      if (!isSeenThere) continue
      return {
        gatewayId: resource.id,
        ends: this.#endsOf(resource, from, to),
        source: this.#interfaceAt(packetSource, ipVersion, from.vpcId),
        destination: this.#interfaceAt(packetDestination, ipVersion, to.vpcId),
      }
    }
    return undefined
  }

  #valuesOf(gateway: TransitGateway, attachmentId: string): TransitGatewayValues {
    return {
      ...this.#base,
      'account-id': gateway.ownerId ?? this.#base['account-id'],
      'resource-type': 'TransitGateway',
      'tgw-id': gateway.id,
      'tgw-attachment-id': attachmentId,
    }
  }

  #noteAddress(words: Uint32Array, of: NetworkInterface): void {
    const isV4 = words[0] === 0 && words[1] === 0 && words[2] === MAPPED_WORD
    const key = isV4 ? words[3]! : words.join()
    const known = this.#interfaces.get(key)
    if (known === undefined) this.#interfaces.set(key, [of])
    else known.push(of)
  }

  #interfaceAt(address: Uint32Array, ipVersion: 4 | 6, vpcId: string) {
    const key = ipVersion === 4 ? address[0]! : address.join()
    return this.#interfaces.get(key)?.find((found) => found.vpcId === vpcId)
  }

  #endsOf(
    gateway: TransitGateway,
    from: TransitGatewayAttachment,
    to: TransitGatewayAttachment,
  ): Crossing['ends'] {
    const key = `${from.id} ${to.id}`
    let ends = this.#pairs.get(key)
    if (ends === undefined) {
      if (this.#pairs.size === PAIRS_MAX) this.#pairs.clear()
      ends = [this.#endOf(gateway, from, to, 'ingress'), this.#endOf(gateway, from, to, 'egress')]
      this.#pairs.set(key, ends)
    }
    return ends
  }

  #endOf(
    gateway: TransitGateway,
    from: TransitGatewayAttachment,
    to: TransitGatewayAttachment,
    direction: TrafficDirection,
  ): AttachmentMetadata {
    const [here, pair] = direction === 'ingress' ? [from, to] : [to, from]
    const values: TransitGatewayValues = {
      ...this.#valuesOf(gateway, here.id),
      'tgw-pair-attachment-id': pair.id,
      'flow-direction': direction,
      'tgw-src-vpc-account-id': from.vpcOwnerId,
      'tgw-dst-vpc-account-id': to.vpcOwnerId,
      'tgw-src-vpc-id': from.vpcId,
      'tgw-dst-vpc-id': to.vpcId,
      'tgw-src-subnet-id': subnetOf(from),
      'tgw-dst-subnet-id': subnetOf(to),
      'tgw-src-az-id': this.#zones.get(subnetOf(from) ?? ''),
      'tgw-dst-az-id': this.#zones.get(subnetOf(to) ?? ''),
    }
    return { attachmentId: here.id, metadata: new SessionMetadata(values, TRANSIT_GATEWAY_FIELDS) }
  }
}

/** Of several subnets, which of them a flow passes is not known. */
function subnetOf({ subnetIds }: TransitGatewayAttachment): string | undefined {
  return subnetIds.length === 1 ? subnetIds[0] : undefined
}

function blocksOf({ attachments }: TransitGateway): Block[] {
  return attachments
    .flatMap((attachment) =>
      attachment.cidrBlocks.map((block) => ({ cidr: parseCidr(block)!, attachment })),
    )
    .sort((a, b) => b.cidr.prefixLength - a.cidr.prefixLength)
}

function attachmentOf(
  blocks: readonly Block[],
  address: Uint32Array,
  ipVersion: 4 | 6,
): TransitGatewayAttachment | undefined {
  const isV4 = ipVersion === 4
  for (let index = 0; index < blocks.length; index++) {
    const { cidr, attachment } = blocks[index]!
    if (cidr.version !== ipVersion) continue
    const isWithin = isV4
      ? cidrContains(cidr, 0, 0, MAPPED_WORD, address[0]!)
      : cidrContains(cidr, address[0]!, address[1]!, address[2]!, address[3]!)
    if (isWithin) return attachment
  }
  return undefined
}
