import { randomUUID } from 'node:crypto'
import type { CapturedFlows } from '../../appliance/captured-flows.js'
import type { FlowOperationRequest } from '../../appliance/column.js'
import { ApiError } from '../../aws/protocol/action.js'
import { ROW_BYTES } from '../../flow/row-block.js'
import { type Firewall, noFirewall } from './firewall-arn.js'
import type { FlowOperationType, Scope, SentFilters } from './members.js'

/** Where flows are; the pool of receiving threads is one. */
export interface FlowSource {
  /** The open flows that match, `limit` at most. */
  captureFlows(request: FlowOperationRequest, limit: number): Promise<FlowSourceResult>
  /** Ends their connections. */
  flushFlows(request: FlowOperationRequest, limit: number): Promise<FlowSourceResult>
  /** Names of the sessions there are now. */
  sessions(): Promise<readonly string[]>
  /** Why it cannot give all flows now; undefined while it can. */
  readonly silence: string | undefined
}

export interface FlowSourceResult {
  readonly status: 'COMPLETED' | 'COMPLETED_WITH_ERRORS'
  /** Why flows may be missing: letters, digits, blanks and hyphens, as the API has it. */
  readonly reason: string | null
  readonly flows: CapturedFlows
}

/** One flow capture or flush, from its request until it is forgotten. */
export interface FlowOperation {
  /** A UUID. */
  readonly id: string
  /** Operations are numbered in the order of their requests. */
  readonly number: number
  readonly type: FlowOperationType
  readonly firewall: Firewall
  readonly scope: Scope
  /** undefined: not given, 0. */
  readonly minimumAgeSeconds: number | undefined
  readonly filters: SentFilters
  /** Milliseconds since the epoch. Ages are relative to it, and later flows are left out. */
  readonly requestedAt: number
  status: 'IN_PROGRESS' | 'COMPLETED' | 'COMPLETED_WITH_ERRORS' | 'FAILED'
  message: string | undefined
  /** undefined until there are some, and when they had to be given up. */
  flows: CapturedFlows | undefined
}

export interface FlowOperationLimits {
  /** How long an operation is remembered. */
  readonly historyMs: number
  /** How many are; the oldest go first. */
  readonly operations: number
  /** Operations that wait for others to end. */
  readonly waiting: number
  /** Memory for the flows of all operations together; the oldest give theirs up first. */
  readonly resultOctets: number
}

/** 256 MiB are three million flows. */
export const FLOW_OPERATION_LIMITS: FlowOperationLimits = {
  historyMs: 12 * 3600 * 1000,
  operations: 4096,
  waiting: 64,
  resultOctets: 256 * 1024 * 1024,
}

/**
 * Flow operations as Network Firewall has them: begun by a request, done by and
 * by, remembered for twelve hours. They run one after another, so that the memory
 * for their results is bounded and no receiving thread walks its table twice at a time.
 */
export class FlowOperations {
  readonly #source: FlowSource
  readonly #now: () => number
  readonly #limits: FlowOperationLimits
  /** By id, the oldest first. */
  readonly #operations = new Map<string, FlowOperation>()
  #next = 1
  /** Neither done nor failed. */
  #pending = 0
  #last: Promise<void> = Promise.resolve()

  /** `now`: milliseconds since the epoch. */
  constructor(
    source: FlowSource,
    now: () => number = Date.now,
    limits: FlowOperationLimits = FLOW_OPERATION_LIMITS,
  ) {
    this.#source = source
    this.#now = now
    this.#limits = limits
  }

  /** Names of the sessions that are a firewall now. */
  sessions(): Promise<readonly string[]> {
    return this.#source.sessions()
  }

  /** Throws ResourceNotFoundException where the session that the firewall stands for is not there (any more). */
  async requireSession({ session, arn }: Firewall): Promise<void> {
    if (session !== undefined && !(await this.sessions()).includes(session)) throw noFirewall(arn)
  }

  /** Throws InternalServerError where flows would be missing, or be waited for in vain. */
  requireAnswers(): void {
    const { silence } = this.#source
    if (silence !== undefined) throw new ApiError('InternalServerError', silence, 500)
  }

  /** Resolves when every operation begun so far is over. */
  settled(): Promise<void> {
    return this.#last
  }

  /**
   * Begins an operation. ThrottlingException while another is under way on the
   * same firewall and zone (or endpoint; no zone is all of them), or too many wait.
   */
  start(
    of: Pick<FlowOperation, 'type' | 'firewall' | 'scope' | 'minimumAgeSeconds' | 'filters'>,
  ): FlowOperation {
    this.#forget()
    for (const other of this.#operations.values()) {
      if (other.status === 'IN_PROGRESS' && isAbout(other, of.firewall, of.scope)) {
        throw throttled(`The flow operation ${other.id} is under way; wait until it is over`)
      }
    }
    if (this.#pending > this.#limits.waiting) throw throttled('Too many flow operations wait')

    const operation: FlowOperation = {
      ...of,
      id: randomUUID(),
      number: this.#next++,
      requestedAt: this.#now(),
      status: 'IN_PROGRESS',
      message: undefined,
      flows: undefined,
    }
    this.#operations.set(operation.id, operation)
    this.#pending++
    this.#last = this.#last.then(() => this.#run(operation))
    return operation
  }

  /** An operation on a firewall; undefined where there is none of that id (any more). */
  find(id: string, firewall: Firewall): FlowOperation | undefined {
    this.#forget()
    const operation = this.#operations.get(id)
    return operation?.firewall.arn === firewall.arn ? operation : undefined
  }

  /** Operations on a firewall, the newest first. */
  list(firewall: Firewall): FlowOperation[] {
    this.#forget()
    const found: FlowOperation[] = []
    for (const operation of this.#operations.values()) {
      if (operation.firewall.arn === firewall.arn) found.push(operation)
    }
    return found.reverse()
  }

  async #run(operation: FlowOperation): Promise<void> {
    const source = this.#source
    const limit = Math.floor(this.#limits.resultOctets / ROW_BYTES)
    const request = requestOf(operation)
    try {
      const { status, reason, flows } = await (operation.type === 'FLOW_FLUSH'
        ? source.flushFlows(request, limit)
        : source.captureFlows(request, limit))
      operation.flows = flows
      operation.status = status
      operation.message = reason ?? undefined
    } catch {
      // The source has said why to the operator; clients know this message.
      operation.status = 'FAILED'
      operation.message = 'Flow operation error'
    }
    this.#pending--
    this.#giveUpResults()
    this.#forget()
  }

  /** Drops what is older than the history goes, or too much. */
  #forget(): void {
    const since = this.#now() - this.#limits.historyMs
    let excess = this.#operations.size - this.#limits.operations
    for (const operation of this.#operations.values()) {
      if (operation.requestedAt >= since && excess <= 0) return
      if (operation.status === 'IN_PROGRESS') continue
      this.#operations.delete(operation.id)
      excess--
    }
  }

  #giveUpResults(): void {
    let octets = 0
    for (const operation of [...this.#operations.values()].reverse()) {
      const { flows } = operation
      if (flows === undefined) continue
      octets += flows.octets
      if (octets <= this.#limits.resultOctets) continue
      octets -= flows.octets
      operation.flows = undefined
      operation.status = 'COMPLETED_WITH_ERRORS'
      operation.message = 'The flows were given up to make room for those of later operations'
    }
  }
}

function requestOf(operation: FlowOperation): FlowOperationRequest {
  const { minimumAgeSeconds = 0, filters, firewall, requestedAt } = operation
  return {
    minimumAgeSeconds,
    filters: filters.filters,
    session: firewall.session,
    ...momentOf(requestedAt),
  }
}

/**
 * The moment of a request, in milliseconds, as flows have times: the end of its
 * millisecond, for packets of the same one that came before it count.
 */
export function momentOf(requestedAt: number): { atSeconds: number; atNanoseconds: number } {
  return {
    atSeconds: Math.floor(requestedAt / 1000),
    atNanoseconds: (requestedAt % 1000) * 1_000_000 + 999_999,
  }
}

/** Whether an operation is about a part of a firewall that another wants too. */
function isAbout(operation: FlowOperation, firewall: Firewall, scope: Scope): boolean {
  if (operation.firewall.arn !== firewall.arn) return false
  const own = scopeText(operation.scope)
  const wanted = scopeText(scope)
  return own === undefined || wanted === undefined || own === wanted
}

/** undefined: the whole firewall. */
function scopeText(scope: Scope): string | undefined {
  return scope.availabilityZone ?? scope.vpcEndpointAssociationArn ?? scope.vpcEndpointId
}

function throttled(message: string): ApiError {
  return new ApiError('ThrottlingException', message)
}
