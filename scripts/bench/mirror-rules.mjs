/**
 * What deciding about a packet costs a mirror source: nanoseconds in RuleSet.accepts
 * alone and in MirrorEvaluator.evaluate with three sessions, for filters of ten
 * rules, over frames in memory that the caches hold. Not measured: parsing the frame
 * and sending it. `last` packets are taken by the tenth rule or by none, so that all
 * ten are tried; `mixed` ones by any of them.
 *
 * Run after `npm run build`: node scripts/bench/mirror-rules.mjs
 */
import { MirrorEvaluator } from '../../dist/mirror/evaluator.js'
import { RuleSet } from '../../dist/mirror/rule-set.js'
import { EGRESS, Frame } from '../../dist/wire/frame.js'
import { parseFrame } from '../../dist/wire/parse-frame.js'

const FRAMES = 1024
/** Short rounds and many of them: the least is one that nobody disturbed. */
const PACKETS = 1 << 16
const ROUNDS = 200
const RULES = 10

let x = 88172645
function random(below) {
  x ^= x << 13
  x ^= x >>> 17
  x ^= x << 5
  return (x >>> 0) % below
}

/** @returns {import('../../dist/mirror/resources.js').MirrorFilter} */
function filterOf(version) {
  /** @type {import('../../dist/mirror/resources.js').FilterRule[]} */
  const rules = []
  for (let number = 1; number <= RULES; number++) {
    rules.push({
      id: '',
      direction: 'egress',
      ruleNumber: number,
      action: number % 3 === 0 ? 'reject' : 'accept',
      protocol: 6,
      destinationPortRange: { from: 1000 * number, to: 1000 * number + 99 },
      sourceCidr: version === 4 ? '10.0.0.0/8' : '2001:db8::/32',
      destinationCidr: version === 4 ? '0.0.0.0/0' : '::/0',
      tags: [],
    })
  }
  return { id: '', networkServices: ['amazon-dns'], rules, tags: [] }
}

/** Parsed TCP frames to the ports that `portOf` says. */
function framesOf(version, portOf) {
  return Array.from({ length: FRAMES }, () => {
    const bytes = Buffer.alloc(version === 4 ? 54 : 74)
    bytes.writeUInt16BE(version === 4 ? 0x0800 : 0x86dd, 12)
    if (version === 4) {
      bytes[14] = 0x45
      bytes.writeUInt16BE(40, 16)
      bytes[23] = 6
      bytes.writeUInt32BE(0x0a000000 + random(1 << 24), 26)
      bytes.writeUInt32BE(0xc0000000 + random(1 << 28), 30)
    } else {
      bytes[14] = 0x60
      bytes.writeUInt16BE(20, 18)
      bytes[20] = 6
      for (const at of [22, 38]) {
        bytes.writeUInt32BE(0x20010db8, at)
        bytes.writeUInt32BE(random(1 << 30), at + 12)
      }
    }
    bytes.writeUInt16BE(portOf(), bytes.length - 18)
    const frame = new Frame()
    parseFrame(bytes, 0, bytes.length, 1, bytes.length, frame)
    return frame
  })
}

function measure(name, frames, decide) {
  let best = Number.POSITIVE_INFINITY
  let taken = 0
  for (let round = 0; round < ROUNDS; round++) {
    taken = 0
    const start = process.hrtime.bigint()
    for (let index = 0; index < PACKETS; index++) {
      if (decide(frames[index & (FRAMES - 1)])) taken++
    }
    best = Math.min(best, Number(process.hrtime.bigint() - start) / PACKETS)
  }
  const share = ((100 * taken) / PACKETS).toFixed(0)
  console.log(`${name.padEnd(40)} ${best.toFixed(1).padStart(6)} ns, ${share} % mirrored`)
}

/** @returns {import('../../dist/mirror/evaluator.js').SessionParts} */
const session = (sessionNumber) => ({
  session: {
    id: '',
    ownerId: '',
    networkInterfaceId: '',
    targetId: '',
    filterId: '',
    sessionNumber,
    virtualNetworkId: sessionNumber,
    tags: [],
  },
  filter: filterOf(4),
})

const mixed = () => 1000 * (1 + random(RULES)) + random(150)
const last = () => 1000 * (RULES + random(2)) + random(100)
for (const version of [4, 6]) {
  const rules = new RuleSet(filterOf(version))
  for (const [name, portOf] of Object.entries({ mixed, last })) {
    const frames = framesOf(version, portOf)
    measure(`${RULES} rules, IPv${version}, ${name}`, frames, (frame) => {
      frame.direction = EGRESS
      return rules.accepts(frame)
    })
  }
}
const evaluator = new MirrorEvaluator([session(1), session(2), session(3)])
measure(
  `3 sessions of ${RULES} rules, IPv4, none takes it`,
  framesOf(4, () => 5),
  (frame) => {
    frame.direction = EGRESS
    return evaluator.evaluate(frame) >= 0
  },
)
