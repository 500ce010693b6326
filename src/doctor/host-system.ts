import { fileLimitsWarning } from '../appliance/file-limits.js'
import { loadLibc } from '../sys/libc.js'
import { textOf } from '../sys/proc.js'
import { type Finding, ok } from './finding.js'

/** Bits of CapEff in /proc/self/status (capability.h). */
const CAPABILITIES = { CAP_NET_BIND_SERVICE: 10n, CAP_NET_ADMIN: 12n, CAP_NET_RAW: 13n } as const

/** struct timex (adjtimex(2)) on LP64: maxerror in microseconds. */
const TIMEX_LEN = 208
const TIMEX_MAXERROR = 24
/** What adjtimex answers while nobody keeps the clock. */
const TIME_ERROR = 5

/** What the process may do beyond others. `listen` needs nothing of it. */
export function checkCapabilities(): Finding {
  const check = 'capabilities'
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(textOf('/proc/self/status'))?.[1]
  if (mask === undefined) return ok(check, 'capabilities are not known here')
  const bits = BigInt(`0x${mask}`)
  const held = Object.entries(CAPABILITIES).flatMap(([name, bit]) =>
    (bits & (1n << bit)) === 0n ? [] : [name],
  )
  if (process.getuid?.() === 0) {
    return {
      check,
      level: 'warning',
      what: 'this is root',
      why: 'listen needs no root, and every byte it receives is chosen by somebody else',
      fix: 'give it a user of its own: scripts/package/mirrortap.service does',
    }
  }
  return ok(check, `not root${held.length === 0 ? ', no capabilities' : `; ${held.join(', ')}`}`)
}

/** Whether the clock is kept: times of packets and signatures of the API depend on it. */
export function checkClock(): Finding {
  const check = 'clock'
  let state: number
  const timex = Buffer.alloc(TIMEX_LEN)
  try {
    state = loadLibc().adjtimex(timex)
  } catch {
    return ok(check, 'whether the clock is kept is not known here')
  }
  const milliseconds = Math.round(Number(timex.readBigInt64LE(TIMEX_MAXERROR)) / 1000)
  if (state !== TIME_ERROR)
    return ok(check, `the clock is kept, to ${milliseconds} ms at the worst`)
  return {
    check,
    level: 'warning',
    what: 'the clock of this host is not synchronized',
    why: 'times in captures and flow logs drift, and requests to AWS and the API are refused from 15 minutes on',
    fix: 'timedatectl set-ntp true, or run chrony; on EC2 with "server 169.254.169.123"',
  }
}

/** Whether as many files may be open as there may be sessions. */
export function checkDescriptors(maxSessions: number, connections: number): Finding {
  const what = fileLimitsWarning(maxSessions, 1, { api: connections, others: 0 })
  if (what === undefined) return ok('files', `enough files may be open for ${maxSessions} sessions`)
  const [said, fix = ''] = what.split(/; for all of them run "([^"]+)" first/)
  return {
    check: 'files',
    level: 'warning',
    what: said!,
    why: 'the others have no captures, which is counted as no-file',
    fix,
  }
}
