/**
 * Appliances behind a load balancer as queues: what arrives at each receiving thread in steps of time, what
 * it takes of it, what waits in the socket's buffer, and what is lost. The same seed gives the same result.
 *
 * A mirror source spreads its packets over `PORTS` outer source ports by the inner 5-tuple; source and port
 * are what the load balancer hashes, and what the kernel hashes to a thread. So neither can divide a
 * flow, nor the flows that share a port.
 */
import { xorshift } from './random.js'

/** Outer source ports that a source was seen to use. */
const PORTS = 128
/** What the kernel counts for a datagram of up to 1500 bytes, as src/doctor/host-receiving.ts has it. */
const KERNEL_BYTES = 4200
/** How long a source stays loud or quiet, where it comes in bursts. */
const BURST_SECONDS = 0.05

/** What one appliance was measured to do: README.md of scripts/bench and SCALE.md say where. */
export const MEASURED = {
  /** CPU of a datagram of 200 bytes with flows, flow logs and captures, kernel included. */
  packetNs: 1350,
  /** Of each byte beyond: three copies. */
  byteNs: 0.5,
  /** Of a flow log record: put together, written and compressed. */
  recordNs: 1500,
  /** Of the datagrams that were measured. */
  measuredBytes: 200,
}

/**
 * @typedef {object} Fleet
 * @property {number} gbps mirrored traffic, inner frames, of all sources together
 * @property {number} packetBytes mean length of a frame
 * @property {number} sources
 * @property {number} skew of sources: 0 all the same, 1 as Zipf has it
 * @property {number} flows open at a time of one source, themselves skewed by 1
 * @property {number} recordsPerSecond flow log records of all together
 * @property {number} appliances
 * @property {number} workers receiving threads of each
 * @property {number} bufferBytes of each thread's socket
 * @property {number} burst loudest to mean: 1 is even
 * @property {number} seconds
 * @property {number} stepMs
 * @property {number} seed
 * @property {{ at: number, noticed: number } | undefined} [failure] the first appliance dies at this second, and after
 *   so many more the load balancer sends it nothing
 * @property {typeof MEASURED} [cost]
 */

/** @param {number} a @param {number} b @param {number} c */
function hash(a, b, c) {
  let h = Math.imul(a ^ 0x9e37_79b1, 0x85eb_ca6b)
  h = Math.imul(h ^ (h >>> 15) ^ b, 0xc2b2_ae35)
  h = Math.imul(h ^ (h >>> 13) ^ c, 0x27d4_eb2f)
  return (h ^ (h >>> 16)) >>> 0
}

/**
 * Shares of so many that add up to 1.
 * @param {number} count @param {number} skew
 */
export function shares(count, skew) {
  const weights = Float64Array.from({ length: count }, (_, at) => 1 / (at + 1) ** skew)
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return weights.map((weight) => weight / sum)
}

/** CPU nanoseconds of one datagram. @param {Fleet} fleet */
export function nanosecondsOf({ packetBytes, gbps, recordsPerSecond, cost = MEASURED }) {
  const packets = packetsPerSecond({ packetBytes, gbps })
  const bytes = Math.max(0, packetBytes - cost.measuredBytes)
  return cost.packetNs + bytes * cost.byteNs + (recordsPerSecond / packets) * cost.recordNs
}

/** @param {Pick<Fleet, 'gbps' | 'packetBytes'>} fleet */
export function packetsPerSecond({ gbps, packetBytes }) {
  return (gbps * 1e9) / (8 * packetBytes)
}

/**
 * Where the load balancer sends the packets of a source's port, of those that it thinks alive: one that goes
 * takes none of the others' along (rendezvous hashing).
 * @param {number} unit @param {number} seed @param {number} appliances @param {number} dead
 */
function applianceOf(unit, seed, appliances, dead) {
  let best = -1
  let most = -1
  for (let one = 0; one < appliances; one++) {
    if (one === dead) continue
    const weight = hash(unit, one, seed)
    if (weight > most) [best, most] = [one, weight]
  }
  return best
}

/**
 * Units of traffic that nothing divides, the share of each of its source, and its source.
 * @param {Fleet} fleet
 */
function unitsOf({ sources, skew, flows, seed }) {
  const ofSources = shares(sources, skew)
  const ofFlows = shares(flows, 1)
  const share = new Float64Array(sources * PORTS)
  for (let source = 0; source < sources; source++) {
    for (let flow = 0; flow < flows; flow++) {
      const port = hash(source, flow, seed) % PORTS
      share[source * PORTS + port] += ofSources[source] * ofFlows[flow]
    }
  }
  return share
}

/**
 * @param {Fleet} fleet
 * @returns {{ offered: number, lost: number, lostShare: number, lostToFailure: number, loads: number[], busiest: number }}
 *   packets offered and lost; of each appliance the mean share of its threads' time; of the busiest thread
 */
export function simulate(fleet) {
  const { sources, appliances, workers, bufferBytes, burst, seconds, stepMs, seed, failure } = fleet
  const bits = xorshift(seed >>> 0 || 1)
  const random = () => bits() / 0x1_0000_0000
  const share = unitsOf(fleet)
  const rate = packetsPerSecond(fleet)
  const step = stepMs / 1000
  const taken = step / (nanosecondsOf(fleet) / 1e9)
  const room = Math.floor(bufferBytes / Math.max(KERNEL_BYTES, 2 * fleet.packetBytes))
  const threads = appliances * workers

  /** @param {number} dead */
  const placed = (dead) =>
    Int32Array.from(share, (_, unit) => {
      const appliance = applianceOf(unit, seed, appliances, dead)
      return appliance < 0 ? -1 : appliance * workers + (hash(unit, 0x77, seed) % workers)
    })
  const before = placed(-1)
  const after = failure === undefined ? before : placed(0)

  const queues = new Float64Array(threads)
  const work = new Float64Array(threads)
  const isLoud = Uint8Array.from({ length: sources }, () => (random() < 1 / burst ? 1 : 0))
  const arrivals = new Float64Array(threads)
  let [offered, lost, lostToFailure] = [0, 0, 0]
  const steps = Math.round(seconds / step)
  for (let at = 0; at < steps; at++) {
    const now = at * step
    const isDead = failure !== undefined && now >= failure.at
    const places = isDead && now >= failure.at + failure.noticed ? after : before
    if (burst > 1) {
      for (let source = 0; source < sources; source++) {
        // Loud for one part of the time in `burst`: so long that the mean holds.
        const leaves = step / (isLoud[source] ? BURST_SECONDS : BURST_SECONDS * (burst - 1))
        if (random() < leaves) isLoud[source] ^= 1
      }
    }
    arrivals.fill(0)
    for (let unit = 0; unit < share.length; unit++) {
      if (share[unit] === 0) continue
      const factor = burst > 1 ? burst * isLoud[Math.floor(unit / PORTS)] : 1
      const packets = share[unit] * rate * step * factor
      offered += packets
      const thread = places[unit]
      if (thread < 0 || (isDead && thread < workers)) lostToFailure += packets
      else arrivals[thread] += packets
    }
    for (let thread = 0; thread < threads; thread++) {
      if (isDead && thread < workers) continue
      const waiting = queues[thread] + arrivals[thread]
      const done = Math.min(waiting, taken)
      const left = waiting - done
      work[thread] += done / taken
      queues[thread] = Math.min(left, room)
      lost += left - queues[thread]
    }
  }
  const loads = Array.from({ length: appliances }, (_, one) => {
    let sum = 0
    for (let worker = 0; worker < workers; worker++) sum += work[one * workers + worker]
    return sum / workers / steps
  })
  const busiest = Math.max(...work) / steps
  lost += lostToFailure
  return { offered, lost, lostShare: lost / offered, lostToFailure, loads, busiest }
}

/**
 * The least number of appliances that lose at most `lostShare`; undefined where the heaviest unit alone is
 * too much for a thread, and no number is enough.
 * @param {Omit<Fleet, 'appliances'>} fleet @param {number} lostShare @param {number} most
 */
export function appliancesFor(fleet, lostShare = 1e-4, most = 4096) {
  const cores = (packetsPerSecond(fleet) * nanosecondsOf({ ...fleet, appliances: 1 })) / 1e9
  let count = Math.max(1, Math.ceil(cores / fleet.workers))
  while (count <= most) {
    if (simulate({ ...fleet, appliances: count }).lostShare <= lostShare) return count
    count = Math.max(count + 1, Math.ceil(count * 1.1))
  }
  return undefined
}
