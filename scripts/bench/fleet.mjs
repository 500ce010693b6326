/**
 * How many appliances some mirrored traffic takes, by simulation (fleet-model.js): sources of different
 * weight, bursts, a load balancer that hashes outer addresses and ports, and an appliance that dies. The
 * costs are those that one appliance was measured to have; `--packet-ns` and `--byte-ns` take others,
 * as `receive.mjs` and `pipeline.mjs` show them on another machine. The number that matters is the
 * number of appliances. Not simulated: the network, disks, and what is delivered.
 *
 *     node scripts/bench/fleet.mjs [--gbps 10,100,1000] [--bytes 200,500,1000] [--workers 4]
 *       [--sources 200] [--skew 0.5] [--burst 1.5] [--packet-ns 1350] [--byte-ns 0.5] [--seed 1]
 */
import { parseArgs } from 'node:util'
import {
  appliancesFor,
  MEASURED,
  nanosecondsOf,
  packetsPerSecond,
  simulate,
} from './fleet-model.js'

const { values } = parseArgs({
  options: {
    gbps: { type: 'string', default: '10,100,1000' },
    bytes: { type: 'string', default: '200,500,1000' },
    workers: { type: 'string', default: '4' },
    sources: { type: 'string', default: '200' },
    skew: { type: 'string', default: '0.5' },
    burst: { type: 'string', default: '1.5' },
    records: { type: 'string', default: '0.02' },
    'packet-ns': { type: 'string', default: String(MEASURED.packetNs) },
    'byte-ns': { type: 'string', default: String(MEASURED.byteNs) },
    seed: { type: 'string', default: '1' },
  },
})

const cost = {
  ...MEASURED,
  packetNs: Number(values['packet-ns']),
  byteNs: Number(values['byte-ns']),
}
const base = {
  sources: Number(values.sources),
  skew: Number(values.skew),
  flows: 1000,
  workers: Number(values.workers),
  bufferBytes: 16 * 1024 * 1024,
  burst: Number(values.burst),
  seconds: 1,
  stepMs: 10,
  seed: Number(values.seed),
  cost,
}

console.log(
  'Gbps  bytes  packets/s   ns a packet  cores  appliances  busiest thread  lost when one of them dies',
)
for (const gbps of values.gbps.split(',').map(Number)) {
  for (const packetBytes of values.bytes.split(',').map(Number)) {
    const packets = packetsPerSecond({ gbps, packetBytes })
    const recordsPerSecond = packets * Number(values.records)
    // Larger fleets have more sources, or each would send more than its own network takes.
    const sources = Math.max(base.sources, 4 * gbps)
    const fleet = { ...base, sources, gbps, packetBytes, recordsPerSecond }
    const ns = nanosecondsOf({ ...fleet, appliances: 1 })
    const count = appliancesFor(fleet)
    const cells = [
      String(gbps),
      packetBytes,
      `${(packets / 1e6).toFixed(2)} M`,
      ns.toFixed(0),
      ((packets * ns) / 1e9).toFixed(1),
    ]
    if (count === undefined) cells.push('none: a thread cannot take the heaviest flow')
    else {
      const { busiest } = simulate({ ...fleet, appliances: count })
      const failing = {
        ...fleet,
        appliances: count + 1,
        seconds: 20,
        stepMs: 50,
        failure: { at: 2, noticed: 10 },
      }
      const { lostShare } = simulate(failing)
      cells.push(
        count,
        `${(100 * busiest).toFixed(0)} %`,
        `${(100 * lostShare).toFixed(2)} % of 20 s, with one more`,
      )
    }
    console.log(
      cells
        .map((cell, at) => String(cell).padStart([4, 6, 11, 12, 7, 11, 15, 0][at] ?? 0))
        .join(' '),
    )
  }
}
