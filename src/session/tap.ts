import { Demux, type DemuxOptions } from './demux.js'
import { Ledger, type LedgerReport } from './ledger.js'
import { Pipeline, type PipelineOptions } from './pipeline.js'
import type { PacketFilter } from './session.js'
import { SessionDirectory } from './session-directory.js'

export interface TapOptions
  extends Pick<DemuxOptions, 'vnis' | 'decap' | 'vxlanPort' | 'genevePort'> {
  /** Sessions open at once; the one not used for longest goes for the next. */
  maxSessions: number
  openCapture: NonNullable<PipelineOptions['openCapture']>
  /** Of every session; packets it does not want are counted as filtered. */
  filter?: PacketFilter | undefined
}

/**
 * Sessions whose packets are captured and nothing else, from the network or from
 * capture files. What `openCapture` opened for a session is closed when that goes.
 */
export class Tap {
  readonly demux: Demux
  readonly ledger = new Ledger()
  readonly #sessions: SessionDirectory

  constructor(options: TapOptions) {
    const { ledger } = this
    this.#sessions = new SessionDirectory({
      max: options.maxSessions,
      key: 'source+vni',
      onOpen: (session) => {
        session.filter = options.filter
      },
      onClose: (session) => {
        ledger.close(session, 'evicted')
        void session.capture?.close()
      },
    })
    const pipeline = new Pipeline({ ledger, openCapture: options.openCapture })
    this.demux = new Demux({ ...options, ledger, pipeline, sessions: this.#sessions })
    this.demux.unmirrored.filter = options.filter
  }

  /** `kernelLost`: null where it cannot be known. */
  report(kernelLost: number | null): LedgerReport {
    const { unmirrored } = this.demux
    const mirrored = [...this.#sessions.values()]
    const all = unmirrored.received > 0 ? [unmirrored, ...mirrored] : mirrored
    return this.ledger.report({ kernelLost, sessions: all.map((session) => session.report()) })
  }
}
