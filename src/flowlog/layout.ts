import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import { OperatorError } from '../errors.js'

/** Files are named after, and hold the records that end in, spans of this length. */
export const BUCKET_SECONDS = 300

/** This many years later, dates fall on the same days. JavaScript has none after the year 275760, and other names for those after 9999. */
const CALENDAR_YEARS = 400
const CALENDAR_SECONDS = 146_097 * 86_400

/** Stands in paths for an account or a region that was not configured, as AWS writes an unknown account. */
export const UNKNOWN_IN_PATHS = 'unknown'

/** As `CreateFlowLogs` spells it. */
export type FileFormat = 'plain-text' | 'parquet'

/** What is not a flow log but waits for its delivery must not be taken for one. */
type LayoutFormat = FileFormat | 'queue'

export const QUEUE_EXTENSION = '.queue.gz'

const EXTENSIONS: Readonly<Record<LayoutFormat, string>> = {
  queue: QUEUE_EXTENSION,
  'plain-text': '.log.gz',
  parquet: '.log.parquet',
}

export interface LayoutOptions {
  accountId?: string | undefined
  region?: string | undefined
  /** `fl-` and 17 (or, in old logs, 8) hexadecimal digits; one is made up if left out. */
  flowLogId?: string | undefined
  /** `aws-region=eu-west-1/year=2026/…`, as Hive and Athena discover partitions. */
  hiveCompatiblePartitions?: boolean
  /** A directory for each hour below that of the day. */
  perHourPartition?: boolean
  /** Plain text, unless said otherwise. */
  fileFormat?: LayoutFormat
}

/** A flow log's id as EC2 makes them. */
export function makeFlowLogId(): string {
  return `fl-${randomBytes(9).toString('hex').slice(0, 17)}`
}

/**
 * Where the files of one flow log go, below a directory or bucket: the keys
 * under which AWS publishes flow logs to S3 ("Flow log files", VPC User Guide).
 */
export class FlowLogLayout {
  readonly flowLogId: string
  readonly fileFormat: LayoutFormat
  readonly #accountId: string
  readonly #region: string
  readonly #hive: boolean
  readonly #perHour: boolean

  /** Throws OperatorError (exit code 2) for what cannot be part of a path. */
  constructor(options: LayoutOptions = {}) {
    this.#accountId = pathPart('account id', options.accountId)
    this.#region = pathPart('region', options.region)
    this.flowLogId = options.flowLogId ?? makeFlowLogId()
    if (!/^fl-[0-9a-f]{8}(?:[0-9a-f]{9})?$/.test(this.flowLogId)) {
      throw new OperatorError(
        `the flow log id '${this.flowLogId}' must be fl- and 17 hexadecimal digits`,
        { exitCode: 2 },
      )
    }
    this.fileFormat = options.fileFormat ?? 'plain-text'
    this.#hive = options.hiveCompatiblePartitions ?? false
    this.#perHour = options.perHourPartition ?? false
  }

  /**
   * The key of a file for the bucket that starts at `bucketSeconds`, with `/`
   * between its parts. `unique` is eight hexadecimal digits that no other file of
   * the bucket has.
   */
  key(bucketSeconds: number, unique: string): string {
    const cycles = Math.floor(bucketSeconds / CALENDAR_SECONDS)
    // 2026-08-21T16:20:00.000Z
    const time = new Date((bucketSeconds % CALENDAR_SECONDS) * 1000).toISOString()
    const year = String(Number(time.slice(0, 4)) + cycles * CALENDAR_YEARS)
    const month = time.slice(5, 7)
    const day = time.slice(8, 10)
    const hour = time.slice(11, 13)
    const minute = time.slice(14, 16)

    const parts = this.#hive
      ? [
          `aws-account-id=${this.#accountId}`,
          'aws-service=vpcflowlogs',
          `aws-region=${this.#region}`,
          `year=${year}`,
          `month=${month}`,
          `day=${day}`,
        ]
      : [this.#accountId, 'vpcflowlogs', this.#region, year, month, day]
    if (this.#perHour) parts.push(this.#hive ? `hour=${hour}` : hour)

    const stamp = `${year}${month}${day}T${hour}${minute}Z`
    const name = [this.#accountId, 'vpcflowlogs', this.#region, this.flowLogId, stamp, unique]
    return posix.join('AWSLogs', ...parts, name.join('_') + EXTENSIONS[this.fileFormat])
  }
}

const FILE_NAME = new RegExp(
  `_vpcflowlogs_[^/]*_fl-[^/]*(?:${Object.values(EXTENSIONS).join('|').replaceAll('.', '\\.')})$`,
)

/** Whether it is the name of a finished file of a flow log, or of one of records that wait for their delivery. */
export function isFlowLogFile(name: string): boolean {
  return FILE_NAME.test(name)
}

/** The start of the bucket that holds a record ending at `endSeconds`. */
export function bucketOf(endSeconds: number, bucketSeconds = BUCKET_SECONDS): number {
  return endSeconds - (endSeconds % bucketSeconds)
}

function pathPart(what: string, value: string | undefined): string {
  if (value === undefined || value === '' || value === '-') return UNKNOWN_IN_PATHS
  if (!/^[A-Za-z0-9-]{1,64}$/.test(value)) {
    throw new OperatorError(
      `the ${what} '${value}' names a directory: use letters, digits and hyphens only`,
      { exitCode: 2 },
    )
  }
  return value
}
