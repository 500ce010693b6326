import type { FuzzTarget } from './target.js'
import { FILE_TARGETS } from './targets/files.js'
import { FLOW_LOG_TARGETS } from './targets/flow-logs.js'
import { PACKET_TARGETS } from './targets/packets.js'
import { REQUEST_TARGETS } from './targets/requests.js'
import { TEXT_TARGETS } from './targets/texts.js'

/** Everything that takes bytes which somebody else has made; the table in README.md says who. */
export const TARGETS: readonly FuzzTarget[] = [
  ...PACKET_TARGETS,
  ...FILE_TARGETS,
  ...FLOW_LOG_TARGETS,
  ...TEXT_TARGETS,
  ...REQUEST_TARGETS,
]
