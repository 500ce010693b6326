import { packetComment } from '../pcap/pcapng-emit.js'
import type { Geneve } from '../wire/geneve.js'

/** A power of two. What a sender varies costs a comment a packet, and never more memory. */
const SLOTS = 256

interface Slot {
  readonly network: number
  readonly high: number
  readonly low: number
  readonly comment: Buffer
}

/** Comments for pcapng on the packets of a network that GENEVE names: made once for each endpoint, mostly. */
export class GeneveComments {
  readonly #slots: (Slot | undefined)[] = new Array(SLOTS).fill(undefined)

  /** Undefined where no network is named. */
  of(header: Geneve): Buffer | undefined {
    if (!header.hasNetworkId) return undefined
    const { networkId: network, endpointIdHigh: high, endpointIdLow: low } = header
    const at = (network ^ high ^ low) & (SLOTS - 1)
    const known = this.#slots[at]
    if (known?.network === network && known.high === high && known.low === low) return known.comment
    const comment = packetComment(textOf(header))
    this.#slots[at] = { network, high, low, comment }
    return comment
  }
}

function textOf({ networkId, hasEndpointId, endpointIdHigh, endpointIdLow }: Geneve): string {
  const endpoint = [endpointIdHigh, endpointIdLow].map((word) => word.toString(16).padStart(8, '0'))
  return `network ${networkId}${hasEndpointId ? `, endpoint ${endpoint.join('')}` : ''}`
}
