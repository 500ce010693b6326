import type { PutRefusal } from '../../api/ec2/operation.js'
import { ec2Actions } from '../../api/ec2/operations.js'
import { networkFirewallActions } from '../../api/network-firewall/actions.js'
import { FlowOperations } from '../../api/network-firewall/flow-operations.js'
import { DiskBound, hasRecords } from '../../appliance/disk-bound.js'
import { fileLimitsWarning } from '../../appliance/file-limits.js'
import { LineLimit, LineLimits } from '../../appliance/line-limit.js'
import { changesTo, openControlPlane } from '../../appliance/open-control-plane.js'
import { Pool } from '../../appliance/pool.js'
import { HungThread } from '../../appliance/pool-member.js'
import { regionInHost } from '../../aws/follow/ec2-client.js'
import { Deliveries } from '../../deliver/deliveries.js'
import type { Place } from '../../deliver/delivery-url.js'
import { DeliveryError } from '../../deliver/destination.js'
import { FlowLogDeliveries } from '../../deliver/flow-log-deliveries.js'
import { makeFlowLogId } from '../../flowlog/layout.js'
import type { MetadataValues } from '../../flowlog/metadata.js'
import { mirrored } from '../../metrics/mirrored.js'
import { adoptParts } from '../../recover/adoption.js'
import { TakenDirectories } from '../../recover/taken-directories.js'
import { IndexThread } from '../../search/index-thread.js'
import type { LedgerReport, RemovedFiles } from '../../session/ledger.js'
import { DiskSpace } from '../../sink/disk-space.js'
import { sleep } from '../../sleep.js'
import { openCloudWatch, THIS_HOST } from '../cloudwatch-option.js'
import { redraw, say, sayDetail, warn } from '../process/console.js'
import { ended, noteHung } from '../process/leave.js'
import { onReportSignal } from '../process/report-signal.js'
import { checkStats, writeStats } from '../process/stats-file.js'
import { type Stop, stoppable } from '../process/stop.js'
import { columnOptions, connectionsOf, giveQueues, placesOf } from './column-options.js'
import { reserveDiskThreads } from './disk-threads.js'
import { openFollowing } from './follow.js'
import { openForward } from './forwarding.js'
import { formatLedger, formatLedgerLine } from './ledger-text.js'
import { formatListening } from './listening-text.js'
import { openApi, regionAndAccount } from './open-api.js'
import { type Closable, openHealth } from './open-health.js'
import type { Chosen, ListenOptions } from './options.js'
import { Reloading } from './reloading.js'
import { capturesOf } from './retune.js'
import { Service } from './service.js'
import { progressOf, type Watched } from './watched.js'

const REDRAW_MS = 1000
/** How often to check whether a minute of limited lines is over. */
const MINUTES_MS = 1000

/** Runs the appliance until it is stopped. Throws OperatorError. */
export async function listen(
  chosen: Chosen,
  version: string,
  readAgain: () => Promise<Chosen>,
): Promise<void> {
  const { options, declared } = chosen
  const metadata = withRegion(chosen.metadata, options)
  const reloading = new Reloading(chosen, readAgain)
  await stoppable(
    (stop) => runAppliance({ options, metadata, declared, version, reloading }, stop),
    () => void reloading.reload(),
  )
}

/** The region of flow logs and of the API is that of the followed sessions, unless an option names another. */
function withRegion(metadata: MetadataValues, { control }: ListenOptions): MetadataValues {
  const region = metadata.region ?? (control && regionInHost(new URL(control)))
  return region === undefined ? metadata : { ...metadata, region }
}

interface Run extends Pick<Chosen, 'options' | 'metadata' | 'declared'> {
  readonly version: string
  readonly reloading: Reloading
}

async function runAppliance(
  { options, metadata, declared, version, reloading }: Run,
  stop: Stop,
): Promise<void> {
  const service = Service.open(warn)
  reserveDiskThreads(options.workers)
  const places = placesOf(options)
  const flowLogId = makeFlowLogId()
  const column = columnOptions(options, metadata, flowLogId)
  const directories = await takeDirectories(options)
  // Receiving threads limit their own lines.
  const limits = new LineLimits(warn)
  const details = new LineLimits(sayDetail)
  const minutes = setInterval(() => {
    const nowSeconds = Math.floor(Date.now() / 1000)
    limits.tick(nowSeconds)
    details.tick(nowSeconds)
  }, MINUTES_MS)
  let indexing: IndexThread | undefined
  try {
    // Its directory may have just been made.
    if (options.stats !== undefined) checkStats(options.stats)
    const plane = await openControlPlane(
      { stateFile: options.state, declared, sessionKey: options.sessionKey, metadata },
      limits.about('the state'),
    )
    const following = await openFollowing(options, {
      plane,
      metadata,
      say,
      warn,
      signal: stop.abortSignal,
    })
    if (options.flowLogDir === undefined && plane.resources.flowLogs.size > 0) {
      warn(`${plane.resources.flowLogs.size} flow logs are not written: give --flow-log-dir`)
    }
    // Without both, only the options make flow logs.
    const mayHaveFlowLogs = options.api !== false || plane.resources.flowLogs.size > 0
    if (mayHaveFlowLogs && column.flowLog) column.flowLog.owner = regionAndAccount(metadata)
    const sayOfDeliveries = limits.about('deliveries')
    const deliveries = new Deliveries({ onProblem: sayOfDeliveries })
    const defaultId = giveQueues(column.flowLog, options.deliver, places)
    const flowLogDeliveries = openDeliveries(options, metadata, {
      places,
      defaultId,
      deliveries,
      onProblem: sayOfDeliveries,
    })
    flowLogDeliveries?.start(plane.resources.flowLogs.values())
    const captureDelivery = capturesOf(options, metadata)
    if (captureDelivery !== undefined) deliveries.open(captureDelivery)
    const sayFinished = details.about('finished files')
    const sayChange = details.about('changes')
    const forward = await openForward(options, {
      say,
      warn: limits.about('packets to other tools'),
    })
    const pool = await Pool.start({
      workers: options.workers,
      steer: options.steer,
      column: {
        ...column,
        transitGateways: plane.transitGateways,
      },
      mirror: () => changesTo(plane),
      ...(forward && { forward: forward.rings }),
      receiver: {
        choice: options.receiver,
        host: options.bind,
        port: options.port,
        genevePort: options.genevePort,
        receiveBufferBytes: options.receiveBuffer,
      },
      onProblem: warn,
      onFinished: (path) => {
        sayFinished(`finished ${path}`)
        deliveries.finished([path])
      },
      adopt: async () => {
        const lines = new LineLimit('files a receiving thread left unfinished', warn)
        for (const directory of directories.paths) {
          for (const line of (await adoptParts(directory, 'beside others')).lines) lines.say(line)
        }
        lines.sayOmitted()
        deliveries.scan()
      },
      onFailure: (error) => stop.fail(error),
    }).catch(async (error: unknown) => {
      await forward?.stop()
      throw error
    })
    indexing = openIndexing(options)
    const how = options.workers === 1 ? '' : `, ${options.workers} workers by ${options.steer}`
    for (const line of formatListening(pool.listening, options, how)) say(line)
    const warning = options.captureDir === undefined ? undefined : filesWarning(options)
    if (warning !== undefined) warn(warning)
    // There are no changes before the API is open.
    plane.follow(async (changes) => {
      await pool.apply(changes)
      for (const { table, id, before, after } of changes) {
        const what = before === undefined ? 'made' : after === undefined ? 'gone' : 'changed'
        sayChange(`${id} is ${what}`)
        if (table === 'flowLogs') flowLogDeliveries?.follow(before, after)
      }
    })
    const actions = {
      ec2: ec2Actions(plane, {
        putObject: options.deliver === false ? undefined : (object) => putObject(object, metadata),
        deliveryError: (id) =>
          options.flowLogDir === undefined ? 'Access error' : flowLogDeliveries?.errorOf(id),
      }),
      networkFirewall: networkFirewallActions(new FlowOperations(pool), plane),
    }
    const spaces = await DiskSpace.watch(directories.paths, limits.about('directories'))
    const bound = await openBound(options, directories.paths, pool, deliveries)
    const ledger = async (): Promise<LedgerReport> =>
      withRemoved(await pool.report(), bound?.removed)
    const watched: Watched = {
      version,
      receiveBuffer: {
        asked: options.receiveBuffer,
        // The kernel counts twice what it grants.
        granted: pool.listening.receiveBufferBytes / 2,
      },
      api: undefined,
      progress: () => progressOf(pool, plane),
      ledger,
      talkers: () => pool.talkers(),
      spaces: () => spaces.latest,
      troubles: () => spaces.troubles,
      deliveries: () => deliveries.statuses,
    }
    const openChecks = (options: ListenOptions) =>
      openHealth(options, pool.listening, watched, { say, warn, limits })
    let checks: Closable[] = []
    const openServers = async () => {
      const cloudWatch = await openCloudWatch(options.cloudwatchMetrics, {
        region: regionAndAccount(metadata).region,
        count: async () => mirrored(await ledger(), plane.resources, THIS_HOST),
        onProblem: limits.about('CloudWatch'),
      })
      const api = await openApi(options, metadata, actions, { say, warn, limits }, watched)
      checks = await openChecks(options)
      return { cloudWatch, api }
    }
    const { cloudWatch, api } = await openServers().catch(async (error: unknown) => {
      await pool.stop()
      await forward?.stop()
      throw error
    })
    service.ready(watched)
    reloading.begin(
      {
        pool,
        deliveries,
        flowLogDeliveries,
        bound,
        metadata,
        flowLogId,
        async reopenChecks(next) {
          const before = reloading.options
          await Promise.all(checks.map((check) => check.close()))
          try {
            checks = await openChecks(next)
          } catch (error) {
            checks = await openChecks(before)
            throw error
          }
        },
      },
      service,
    )
    const followed = following?.().catch((error: Error) => stop.fail(error))
    const redraw = showLedger(pool)
    if (options.duration !== undefined) {
      void sleep(options.duration * 1000, stop.abortSignal).then(() => stop.stop())
    }
    await stop.reached
    await ended('the configuration', reloading.end())
    service.stopping()
    clearInterval(redraw)
    await ended('CloudWatch', cloudWatch?.stop())
    await ended('the API', Promise.all([api, ...checks].map((server) => server?.close())))
    spaces.stop()
    await ended('what follows mirror sessions', followed)
    await ended('the state', plane.close())

    await ended('what bounds the directories', bound?.stop())
    const report = withRemoved(await pool.stop(), bound?.removed)
    if (stop.failure instanceof HungThread) noteHung()
    await ended('what gives packets to other tools', forward?.stop())
    await ended('what delivers', deliveries.stop())
    limits.sayOmitted()
    details.sayOmitted()
    await ended('the indexing thread', indexing?.stop())
    for (const line of formatLedger(report)) say(line)
    const { stats } = reloading.options
    if (stats !== undefined) writeStats(stats, report)
    directories.release()
    if (stop.failure !== undefined) throw stop.failure
  } catch (error) {
    await indexing?.stop()
    directories.abandon()
    throw error
  } finally {
    clearInterval(minutes)
  }
}

/** Opens what indexes finished captures, if asked for. */
function openIndexing({ captureDir, index }: ListenOptions): IndexThread | undefined {
  if (captureDir === undefined || index !== true) return undefined
  return new IndexThread({ directory: captureDir }, warn)
}

/** Opens the deliveries of flow logs. */
function openDeliveries(
  { flowLogDir: directory, deliver }: ListenOptions,
  metadata: MetadataValues,
  of: {
    places: readonly Place[]
    defaultId: string | undefined
    deliveries: Deliveries
    onProblem: (line: string) => void
  },
): FlowLogDeliveries | undefined {
  if (directory === undefined || deliver === false) return undefined
  const { region } = regionAndAccount(metadata)
  return new FlowLogDeliveries({
    directory,
    region,
    ...of,
  })
}

/** Opens what keeps the directories within the limits of the options; undefined if nothing is kept. */
async function openBound(
  { keepTotal, keepFree }: ListenOptions,
  directories: readonly string[],
  pool: Pool,
  deliveries: Deliveries,
): Promise<DiskBound | undefined> {
  if (directories.length === 0) return undefined
  return DiskBound.start({
    directories,
    keepTotal,
    keepFree,
    undelivered: () => deliveries.undelivered(),
    onUndelivered: (files) => {
      deliveries.removed(files.map(({ path }) => path))
      const flowLogFiles = files.filter(hasRecords).length
      if (flowLogFiles > 0) pool.noteRecordsLost(flowLogFiles)
    },
    say: warn,
  })
}

function withRemoved(report: LedgerReport, removed: RemovedFiles | undefined): LedgerReport {
  return removed === undefined || removed.files === 0 ? report : { ...report, removed }
}

/** Returns why it was not written. */
async function putObject(
  object: { bucket: string; key: string; body: string },
  metadata: MetadataValues,
): Promise<PutRefusal | undefined> {
  const { putS3Object } = await import('../../deliver/s3.js')
  try {
    await putS3Object({ ...object, region: regionAndAccount(metadata).region })
  } catch (error) {
    const { message } = error as Error
    return { kind: error instanceof DeliveryError ? error.kind : 'Unknown error', message }
  }
  return undefined
}

function filesWarning(options: ListenOptions): string | undefined {
  const { maxSessions, workers, unknownSessions } = options
  if (unknownSessions === 'drop') return undefined
  return fileLimitsWarning(maxSessions, workers, connectionsOf(options))
}

/** Takes the directories of the options, and finishes what an earlier run left in them. */
async function takeDirectories({
  captureDir,
  flowLogDir,
  eventLogDir,
}: ListenOptions): Promise<TakenDirectories> {
  const lines = new LineLimit('files an earlier run left unfinished', warn)
  const taken = await TakenDirectories.take([captureDir, flowLogDir, eventLogDir], (line) =>
    lines.say(line),
  )
  lines.sayOmitted()
  return taken
}

/** On a terminal one line, redrawn; everywhere the whole ledger when a signal asks for it. */
function showLedger(pool: Pool): NodeJS.Timeout | undefined {
  const tell = (show: (report: LedgerReport) => void): void => {
    pool.report().then(show, (error: Error) => warn(error.message))
  }
  onReportSignal(() =>
    tell((report) => {
      for (const line of formatLedger(report)) say(line)
    }),
  )
  if (!process.stderr.isTTY) return undefined
  return setInterval(() => tell((report) => redraw(formatLedgerLine(report))), REDRAW_MS)
}
