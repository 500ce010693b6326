/** Whether what a command of ours wrote adds up to what the capture holds. */
import { readFileSync } from 'node:fs'
import { FlowDigest, flowHash } from './flow-digest.js'

/** Of a flow log in the default format (version 2); with windows of 60 s the packets of each are held to it too. */
export function checkFlowLog(path, capture, interval) {
  const text = readFileSync(path, 'latin1')
  const digest = new FlowDigest()
  const hashes = new Map()
  const more = interval === 60 ? ['byWindow'] : []
  let records = 0
  let at = text.indexOf('\n') + 1
  while (at < text.length) {
    const end = text.indexOf('\n', at)
    const fields = text.slice(at, end).split(' ')
    const key = fields.slice(3, 8).join(' ')
    let hash = hashes.get(key)
    if (hash === undefined) {
      hash = flowHash(key)
      hashes.set(key, hash)
    }
    digest.add(hash, Number(fields[10]), Number(fields[8]), Number(fields[9]))
    records++
    at = end + 1
  }
  return { records, flows: hashes.size, ...compare(digest, hashes.size, capture, more) }
}

/** Of `flows --json`. */
export function checkFlows(path, capture) {
  const rows = JSON.parse(readFileSync(path, 'latin1'))
  const digest = new FlowDigest()
  const keys = new Set()
  for (const row of rows) {
    const { srcAddr, dstAddr, srcPort, dstPort, protocol } = row
    const key = `${srcAddr} ${dstAddr} ${srcPort} ${dstPort} ${protocol}`
    keys.add(key)
    digest.add(flowHash(key), undefined, row.packets, row.bytes)
  }
  return { records: rows.length, flows: keys.size, ...compare(digest, keys.size, capture, []) }
}

/** Captures of others have no digest, and rounds may share flows. */
function compare(digest, flows, capture, more) {
  const wrong = []
  for (const name of ['packets', 'bytes']) {
    if (digest[name] !== capture[name]) {
      wrong.push(`${name}: ${digest[name]}, not ${capture[name]}`)
    }
  }
  if (capture.byFlow !== undefined) {
    for (const name of ['byFlow', ...more]) {
      if (digest[name] !== capture[name]) wrong.push(`digest ${name} differs`)
    }
    if (flows !== capture.flows) wrong.push(`flows: ${flows}, not ${capture.flows}`)
  }
  return { packets: digest.packets, bytes: digest.bytes, wrong }
}
