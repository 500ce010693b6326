import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { BlockPool } from '../sink/block-pool.js'
import { syncMadeDirectories } from '../sink/directory.js'
import type { FileBudget } from '../sink/file-budget.js'
import { FileSink } from '../sink/file-sink.js'
import { openPart, type PartFile, partLeft } from '../sink/part-file.js'
import { errnoOf, WriteError } from '../sink/write-error.js'
import { linkTypeName } from '../wire/link-type.js'
import type { Packet } from '../wire/packet.js'
import type { CaptureLoss } from './capture-loss.js'
import { formatCaptureName } from './capture-name.js'
import { type CaptureFormat, CaptureWriter } from './capture-writer.js'
import { Outage } from './outage.js'
import { DEFAULT_SNAPLEN, PCAP_RECORD_HEADER_LEN } from './pcap.js'
import { enhancedPacketLength, statisticsLength } from './pcapng-emit.js'
import { Retention } from './retention.js'

export interface CapturePolicy {
  directory: string
  format: CaptureFormat
  /** Bytes kept of each frame; 0 keeps all. */
  snaplen: number
  /** Size at which the next file begins; Infinity: never. A file is larger only if it has a single packet. */
  rotateBytes: number
  /** Seconds of a file's interval, which begins at a multiple of them since the epoch; Infinity: no intervals. */
  rotateSeconds: number
  /** How many finished files, and bytes in them, are kept of each session; Infinity: all. */
  keepFiles: number
  keepBytes: number
  /** Put before the extension, such as `.w2`, if several workers write one session; otherwise empty. */
  suffix: string
}

interface CaptureSession {
  /** Name of the session's directory. */
  name: string
  linkType: number
  comment: string
}

interface CaptureStatistics {
  /** Files that have their final names. */
  files: number
  /** Packets and bytes in files, including the open one. What is lost when a disk fails is subtracted. */
  packets: number
  octets: number
  /** Packets that are in no file, except those of other link types. */
  lost: number
}

/** What the captures of one thread share, and the part that one session may use. */
export interface CaptureSurroundings {
  readonly pool: BlockPool
  readonly files: FileBudget
  /** The share of `files` that may be in use when the session opens its first file. */
  share(): number
  /** Seconds without a packet after which its file ends if other sessions need a file. */
  patience(): number
  /** Asked if the session's directory does not exist. */
  mayMakeDirectory(): boolean
  /** Called with one line, without a line break. */
  onProblem(line: string): void
  /** Called with the final path of each finished file. */
  onFinished?: ((path: string) => void) | undefined
  /** Called for packets that `write` accepted and that were lost later. */
  onTakenBack(packets: number): void
  onLost(why: CaptureLoss, packets: number): void
}

/** Packets stamped before a boundary may still wait in the socket when the clock passes it. */
const GRACE_SECONDS = 1

/** The most files being finished; each holds a descriptor. */
const CLOSING_MAX = 16

/** How soon a session that could not open a file tries again. */
const ASK_AGAIN_SECONDS = 1

const NO_FILE = 'as many files are open as may be'
const NO_DIRECTORY = 'unknown sessions have made too many new directories'

/** Bytes that CaptureWriter reserves before the first packet. */
const HEADER_UNITS = 1

/** The part of the pool that one session may use, so that others still get blocks. */
const POOL_SHARE = 0.75

const SOME_TIME = { seconds: 0, nanoseconds: 0 }
const STATISTICS_LEN = statisticsLength({
  interfaceId: 0,
  received: 0,
  dropped: 0,
  start: SOME_TIME,
  end: SOME_TIME,
})

/**
 * The capture files of one session: `<directory>/<session>/<UTC start>.pcap`.
 *
 * A packet at or past the end of the open file's interval, one from more than a second before it, or
 * one that would make the file too large, starts the next one; a packet that is late by no more
 * than that stays in the open file. Files open and close in the background: nothing here waits for
 * the disk, and no failure of a disk is thrown. Packets that it cannot take are counted, and
 * `onProblem` gets one line when that begins and one when it ends.
 *
 * Each file has a place in the budget of files from before it is opened until it is closed. One
 * that follows another waits for its place, while packets fill blocks.
 */
export class RotatingCapture {
  readonly #policy: CapturePolicy
  readonly #session: CaptureSession
  readonly #directory: string
  readonly #around: CaptureSurroundings
  readonly #retention: Retention
  readonly #outage: Outage
  #hasRefused = false
  readonly #snaplen: number
  /** Bytes that must still fit after the last packet. */
  readonly #trailerLen: number

  #sink: FileSink | undefined
  #writer: CaptureWriter | undefined
  /** End of the open file's interval; never if there are no intervals. */
  #until = Number.POSITIVE_INFINITY
  /** A packet before this second is too old to be late: the clock was set back. */
  #goBackBefore = 0
  /** At most once between two ticks, because packets of two clocks in turn must not make a file each. */
  #mayGoBack = true
  #lostBefore = 0
  /** The topmost directory that was made for the file, until it is synced. */
  #made: string | undefined

  readonly #closing = new Set<Promise<void>>()
  /** Settled when the latest file is open; never rejects. */
  #opening: Promise<unknown> = Promise.resolve()
  #lastStart = -1
  #lastIndex = 0
  #files = 0
  #packets = 0
  #closedOctets = 0
  #lost = 0
  /** Why packets are lost while the outage blocks. */
  #blockedBy: CaptureLoss = 'disk'
  /** Packets of the open file at the last tick, and the seconds without a new one. */
  #packetsAtTick = 0
  #idleSeconds = 0

  /** Opens nothing before the first packet. */
  constructor(policy: CapturePolicy, session: CaptureSession, around: CaptureSurroundings) {
    assert(/^(?!\.{1,2}$)[^/\0]+$/.test(session.name), 'a session name is one directory')
    this.#policy = policy
    this.#session = session
    this.#directory = join(policy.directory, session.name)
    this.#around = around
    const onProblem = (line: string): void => around.onProblem(line)
    this.#retention = new Retention(this.#directory, policy, around.pool.disk, onProblem)
    this.#outage = new Outage(session.name, onProblem)
    this.#snaplen = policy.snaplen === 0 ? DEFAULT_SNAPLEN : policy.snaplen
    this.#trailerLen = policy.format === 'pcapng' ? STATISTICS_LEN : 0
  }

  get statistics(): CaptureStatistics {
    return {
      files: this.#files,
      packets: this.#packets,
      octets: this.#closedOctets + (this.#writer?.octets ?? 0),
      lost: this.#lost,
    }
  }

  /** Writes a packet, as CaptureWriter does. False: it was not written (disk full, disk too slow, …) but counted. */
  write(
    packet: Packet,
    kept: number,
    originalLength: number,
    options: Buffer | undefined,
  ): boolean {
    const { seconds, linkType } = packet
    if (linkType !== this.#session.linkType) {
      this.#refuse(linkType)
      return false
    }
    let writer = this.#writer
    if (
      writer === undefined ||
      seconds >= this.#until ||
      (seconds < this.#goBackBefore && this.#mayGoBack) ||
      this.#isFull(writer, kept, options)
    ) {
      if (!this.#next(seconds)) {
        this.#lose(this.#outage.isBlocked ? this.#blockedBy : 'disk', 1)
        return false
      }
      writer = this.#writer!
    }
    if (writer.write(packet, 0, options, kept, originalLength)) {
      this.#packets++
      return true
    }
    const error = this.#sink!.error
    this.#lose(lossOf(error), 1)
    if (error !== undefined) this.#giveUp(error)
    return false
  }

  /** A GENEVE session may have bare IP and Ethernet packets; a pcap file can hold only one of them. */
  #refuse(linkType: number): void {
    this.#around.onLost('link-type', 1)
    if (this.#hasRefused) return
    this.#hasRefused = true
    const { name, linkType: own } = this.#session
    this.#around.onProblem(
      `${name}: packets of ${linkTypeName(linkType)} are left out of its captures, which hold ${linkTypeName(own)}`,
    )
  }

  /**
   * To be called about once a second with the time of the packets' clock, in whole seconds.
   * Ends files whose interval is over, flushes what was written, and tries again after a failure.
   */
  tick(nowSeconds: number): void {
    const sink = this.#sink
    this.#mayGoBack = true
    if (sink !== undefined) {
      const isOver = nowSeconds >= this.#until + GRACE_SECONDS
      // A clock that was set back must not leave a file open until it has caught up.
      const isAhead = nowSeconds < this.#goBackBefore
      if (sink.error !== undefined) this.#giveUp(sink.error)
      else if (isOver || isAhead || this.#isDispensable()) this.#finishFile()
      else sink.flush()
    }
    if (this.#sink !== undefined && this.#sink.keptUnits > HEADER_UNITS) this.#outage.wrote()
    this.#outage.tick(nowSeconds, this.#lost)
  }

  /** Resolves when everything written so far is flushed and finished files have their names. For offline work. */
  async drained(): Promise<void> {
    await this.#opening
    await this.#sink?.drained()
    await Promise.all(this.#closing)
    await this.#retention.settled()
  }

  /** Ends the open file. Resolves, whatever the disk does, when no file of this session is being finished. */
  async close(): Promise<void> {
    if (this.#sink !== undefined) this.#finishFile()
    await this.drained()
  }

  #isFull(writer: CaptureWriter, length: number, options: Buffer | undefined): boolean {
    if (writer.packets === 0) return false
    const captured = Math.min(length, this.#snaplen)
    const record =
      this.#policy.format === 'pcap'
        ? PCAP_RECORD_HEADER_LEN + captured
        : enhancedPacketLength(captured, options?.length)
    return writer.octets + record + this.#trailerLen > this.#policy.rotateBytes
  }

  /** Whether the open file has been idle for long and other sessions need a file. To be asked once a second. */
  #isDispensable(): boolean {
    const packets = this.#writer!.packets
    this.#idleSeconds = packets === this.#packetsAtTick ? this.#idleSeconds + 1 : 0
    this.#packetsAtTick = packets
    return this.#around.files.isShort && this.#idleSeconds >= this.#around.patience()
  }

  /** Ends the open file, if any, and opens the one for a packet of that second. */
  #next(seconds: number): boolean {
    if (this.#outage.isBlocked || this.#closing.size >= CLOSING_MAX) return false
    const { files } = this.#around
    // A file that is being finished will give its place back.
    const follows = this.#sink !== undefined || this.#closing.size > 0
    if (!follows && !files.tryTake(this.#around.share())) {
      this.#blockedBy = 'no-file'
      this.#outage.block(NO_FILE, this.#lost, ASK_AGAIN_SECONDS)
      return false
    }
    if (this.#sink !== undefined) this.#finishFile()
    const interval = this.#policy.rotateSeconds
    const isTimed = interval !== Number.POSITIVE_INFINITY
    const start = isTimed ? seconds - (seconds % interval) : seconds
    this.#sink = this.#begin(start, follows ? files.take() : undefined)
    this.#writer = new CaptureWriter(this.#sink, {
      format: this.#policy.format,
      linkType: this.#session.linkType,
      snaplen: this.#snaplen,
      interfaceName: this.#session.name,
      comment: this.#session.comment,
    })
    if (seconds < this.#goBackBefore) this.#mayGoBack = false
    this.#goBackBefore = isTimed ? start - GRACE_SECONDS : 0
    this.#until = start + interval
    this.#lostBefore = this.#lost
    this.#packetsAtTick = 0
    this.#idleSeconds = 0
    return true
  }

  /** Opens a file in the background. Meanwhile packets fill blocks: this thread does not wait for the disk. */
  #begin(start: number, place: Promise<void> | undefined): FileSink {
    const { pool } = this.#around
    // One after the other, so that files that begin in the same second are numbered in order.
    const part = this.#opening.then(() => place).then(() => pool.disk.run(() => this.#open(start)))
    this.#opening = part.catch(() => undefined)
    return new FileSink(part, {
      pool,
      limitBytes: pool.limitBytes * POOL_SHARE,
      onFailure: 'keep-whole',
      durable: true,
      headerUnits: HEADER_UNITS,
    })
  }

  async #open(start: number): Promise<PartFile> {
    let index = start === this.#lastStart ? this.#lastIndex + 1 : 0
    let wasThere = false
    for (;;) {
      const name = formatCaptureName(start, index, this.#policy.suffix, this.#policy.format)
      try {
        const part = await openPart(join(this.#directory, name), 'refuse')
        this.#lastStart = start
        this.#lastIndex = index
        return part
      } catch (error) {
        const errno = errnoOf(error)
        if (errno === 'EEXIST') {
          index++
        } else if (errno === 'ENOENT' && !wasThere) {
          // Another worker may have made it in between. If it exists now, something else is missing.
          if (!this.#around.mayMakeDirectory()) throw new DirectoryRefused(NO_DIRECTORY)
          const made = await this.#makeDirectory()
          this.#made ??= made
          wasThere = made === undefined
        } else {
          throw new WriteError(this.#directory, error)
        }
      }
    }
  }

  async #makeDirectory(): Promise<string | undefined> {
    try {
      return await mkdir(this.#directory, { recursive: true })
    } catch (error) {
      throw new WriteError(this.#directory, error)
    }
  }

  #finishFile(): void {
    const sink = this.#sink!
    const writer = this.#writer!
    this.#sink = undefined
    this.#writer = undefined
    this.#closedOctets += writer.octets
    const dropped = this.#lost - this.#lostBefore
    const ended = this.#end(sink, writer, dropped).finally(() => this.#closing.delete(ended))
    this.#closing.add(ended)
  }

  /** Never rejects. */
  async #end(sink: FileSink, writer: CaptureWriter, dropped: number): Promise<void> {
    const counted = writer.octets
    try {
      if (writer.packets > 0) {
        writer.finish({ received: writer.packets + dropped, dropped })
        await sink.close()
        this.#outage.wrote()
      } else {
        await sink.discard()
      }
      await this.#syncMade()
    } catch (error) {
      const reason = (error as Error).message
      const lost = this.#takeBack(sink, writer, lossOf(error))
      const isLeft = !sink.isPublished && !sink.isRemoved
      if (isLeft) this.#around.onProblem(partLeft(sink.path, reason))
      if (lost > 0 || !isLeft) this.#block(error as Error)
    }
    this.#around.files.give()
    this.#closedOctets += (sink.isRemoved ? 0 : sink.keptOctets) - counted
    if (!sink.isPublished) return
    this.#files++
    this.#retention.add(basename(sink.path), sink.keptOctets)
    this.#around.onFinished?.(sink.path)
  }

  async #syncMade(): Promise<void> {
    const made = this.#made
    if (made === undefined) return
    this.#made = undefined
    const { syncs, disk } = this.#around.pool
    await syncs.run(() => disk.run(() => syncMadeDirectories(made, this.#directory)))
  }

  /** Counts accepted packets that never reached the disk as lost. */
  #takeBack(sink: FileSink, writer: CaptureWriter, why: CaptureLoss): number {
    const kept = Math.min(Math.max(sink.keptUnits - HEADER_UNITS, 0), writer.packets)
    const lost = writer.packets - kept
    if (lost === 0) return 0
    this.#packets -= lost
    this.#lose(why, lost)
    this.#around.onTakenBack(lost)
    return lost
  }

  #lose(why: CaptureLoss, packets: number): void {
    this.#lost += packets
    this.#around.onLost(why, packets)
  }

  #block(error: Error): void {
    this.#blockedBy = lossOf(error)
    this.#outage.block(error.message, this.#lost)
  }

  #giveUp(error: Error): void {
    this.#finishFile()
    this.#block(error)
  }
}

/** Not a failure of the disk: the session may not make a directory now. */
class DirectoryRefused extends Error {}

function lossOf(error: unknown): CaptureLoss {
  return error instanceof DirectoryRefused ? 'no-directory' : 'disk'
}
