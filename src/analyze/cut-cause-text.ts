import type { CutCause } from '../session/cut-frames.js'

/** What a cause of cut frames means and what to do, to follow their number. `packetLength`: the session's, where it is that. */
export function cutCauseText(cause: CutCause, packetLength: number | null): string {
  switch (cause) {
    case 'packetLength':
      return `at ${packetLength} bytes, as a PacketLength of the session does`
    case 'targetMtu':
      return "at the mirror target's MTU: mirror from interfaces with an MTU up to 8947"
    case 'gatewayMtu':
      return "at the gateway's MTU: mirror from interfaces with an MTU up to 8446"
    case 'snaplen':
      return "by the capture's snap length"
    case 'unknown':
      return 'for a reason not known'
  }
}
