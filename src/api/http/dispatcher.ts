import { randomUUID } from 'node:crypto'
import { ApiError, type Caller, type Input, type Output } from '../../aws/protocol/action.js'
import { ACTION_WITHIN, Refused, refusalError } from '../../aws/protocol/protocol.js'
import type { ReceivedRequest, RequestHead } from '../../aws/protocol/request.js'
import { type Service, type Services, serviceFor } from '../../aws/protocol/service.js'
import type { Credential } from '../../aws/sigv4/credentials.js'
import { readSignature } from '../../aws/sigv4/signature.js'
import type { Verifier } from '../../aws/sigv4/verifier.js'
import { auditEvent, isReadOnly } from './audit-event.js'
import type { AuditLog } from './audit-log.js'
import { isFromPage } from './loopback.js'
import type { Visitors } from './visitors.js'

/** Anyone can be refused: what they add to the audit log is bounded to this many lines a minute. */
const UNPROVEN_LINES = 60
const UNPROVEN_WINDOW_MS = 60_000

interface DispatcherOptions {
  readonly services: Services
  /** undefined lets everybody in. */
  readonly verifier: Verifier | undefined
  /** Who may do without a signature, since they signed in with a browser. */
  readonly visitors?: Visitors | undefined
  readonly audit: AuditLog | undefined
  readonly region: string
  readonly accountId: string
  /** One line for the operator: a bug in an action. */
  readonly onProblem: (line: string) => void
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What a head is worth: its body is read, and answered. */
interface Admitted {
  /** Whether it is known who sends the body. */
  readonly isProven: boolean
  readonly service: Service
  readonly requestId: string
  /** undefined where nobody needs a signature. */
  readonly signed: ProvenHead | undefined
}

/** Whose request it is, as far as its head tells. */
interface ProvenHead {
  readonly isProven: boolean
  check(body: Buffer): Credential | Refused
}

/** A head that is answered as it is, whatever body comes after it. */
export interface Denied {
  readonly reply: Reply
  /** How many bytes of the body `audit` wants to see, if it comes to that. */
  readonly beginningBytes: number
  /** Tells the audit log, when it was a change that was wanted. Never rejects. */
  audit(beginning: Buffer): Promise<void>
}

/** From a received request to its reply: whose it is, what it asks, who does it, and the audit log. Knows no sockets. */
export class Dispatcher {
  /** Requests by how they ended. */
  readonly counts = { answered: 0, refused: 0, failed: 0 }
  readonly #options: DispatcherOptions
  #unprovenLines = 0
  #unprovenSince = 0
  #omitted = 0

  constructor(options: DispatcherOptions) {
    this.#options = options
  }

  /** Before the body is read, if there is one: whether it is to be. */
  admit(head: RequestHead, hasBody: boolean): Admitted | Denied {
    const service = serviceFor(this.#options.services, head)
    const requestId = randomUUID()
    const signed = this.#checkHead(head, service, hasBody)
    if (!(signed instanceof Refused)) {
      return { isProven: signed?.isProven ?? true, service, requestId, signed }
    }
    const error = refusalError(service.protocol, signed)
    const wanted = wantedAction(service, { ...head, body: NO_BODY })
    const isTold = this.#options.audit !== undefined && this.#hasUnprovenLines()
    return {
      reply: this.#fail(service, requestId, error),
      beginningBytes: isTold && hasBody && wanted === undefined ? ACTION_WITHIN : 0,
      audit: (body) => this.#auditUnproven({ ...head, body }, service, requestId, error),
    }
  }

  /** Never rejects. */
  async answer(
    request: ReceivedRequest,
    admission: Admitted | Denied = this.admit(request, true),
  ): Promise<Reply> {
    if ('reply' in admission) {
      await admission.audit(request.body)
      return admission.reply
    }
    const { service, requestId, signed } = admission
    let action = ''
    try {
      const identity = signed === undefined ? ANYBODY : signed.check(request.body)
      if (identity instanceof Refused) {
        const error = refusalError(service.protocol, identity)
        await this.#auditUnproven(request, service, requestId, error)
        throw error
      }
      const caller = this.#callerOf(request, identity, requestId)
      const call = service.protocol.read(request)
      action = call.action
      const output = await this.#run(service, action, call.input, caller)
      const body = service.protocol.reply(action, output, requestId)
      this.counts.answered++
      return { status: 200, headers: headersOf(service, requestId), body }
    } catch (error) {
      return this.#fail(service, requestId, this.#apiError(service, error, requestId, action))
    }
  }

  /** For a page that is not for everybody: the refusal, where it is not shown. */
  admitPage(head: RequestHead): Reply | undefined {
    const service = serviceFor(this.#options.services, head)
    const signed = this.#checkHead(head, service, false)
    if (!(signed instanceof Refused)) return undefined
    return this.#fail(service, randomUUID(), refusalError(service.protocol, signed))
  }

  /** The reply to a request that goes no further, in its service's shape. */
  refuse(head: Pick<RequestHead, 'headers'>, refused: Refused): Reply {
    const service = serviceFor(this.#options.services, head)
    return this.#fail(service, randomUUID(), refusalError(service.protocol, refused))
  }

  #fail(service: Service, requestId: string, error: ApiError): Reply {
    if (error.status < 500) this.counts.refused++
    else this.counts.failed++
    return {
      status: error.status,
      headers: { ...headersOf(service, requestId), 'x-amzn-ErrorType': error.code },
      body: service.protocol.fail(error, requestId),
    }
  }

  /** undefined where nobody needs a signature. */
  #checkHead(
    head: RequestHead,
    service: Service,
    hasBody: boolean,
  ): ProvenHead | Refused | undefined {
    const { verifier, visitors } = this.#options
    if (verifier !== undefined) {
      const visitor =
        head.headers.get('authorization') === undefined ? visitors?.of(head.headers) : undefined
      if (visitor === undefined) return verifier.checkHead(head, service.name, hasBody)
      return visitor instanceof Refused ? visitor : { isProven: true, check: () => visitor }
    }
    if (!isFromPage(head.headers)) return undefined
    return new Refused(
      'forbidden',
      'Without signatures, requests must name a loopback address as Host and come from no browser.',
    )
  }

  #callerOf(request: RequestHead, identity: Identity, requestId: string): Caller {
    const { accountId, region } = this.#options
    const { userName, accessKeyId } = identity
    return {
      accessKeyId,
      userName,
      arn: `arn:aws:iam::${accountId}:user/${userName}`,
      accountId,
      region,
      sourceIpAddress: request.sourceIpAddress,
      userAgent: request.headers.get('user-agent') ?? '',
      requestId,
    }
  }

  /** Runs the action; when it is a change, tells the audit log before anyone else. */
  async #run(service: Service, name: string, input: Input, caller: Caller): Promise<Output> {
    const action = service.actions.get(name)
    if (action === undefined) {
      const shown = name.slice(0, 100)
      const refused = new Refused('unknown-action', `There is no action '${shown}' here.`)
      throw refusalError(service.protocol, refused)
    }
    let outcome: { output: Output } | { error: ApiError }
    if (!isReadOnly(name) && (await this.#options.audit?.ready()) === false) {
      const refused = new Refused(
        'unavailable',
        'The audit log cannot be written; the change was not made.',
      )
      const error = refusalError(service.protocol, refused)
      void this.#audit(service, caller, name, input, { error })
      throw error
    }
    try {
      outcome = { output: await action.run(input, caller) }
    } catch (error) {
      outcome = { error: this.#apiError(service, error, caller.requestId, name) }
    }
    await this.#audit(service, caller, name, input, outcome)
    if ('error' in outcome) throw outcome.error
    return outcome.output
  }

  async #audit(
    service: Service,
    caller: Caller,
    action: string,
    input: Input,
    outcome: { output: Output } | { error: ApiError },
  ): Promise<void> {
    const { audit, now } = this.#options
    if (audit === undefined || isReadOnly(action)) return
    const time = new Date(now())
    const call = { time, service, caller, isProven: true, action, input, outcome }
    await audit.append(auditEvent({ ...call, omittedBefore: this.#takeOmitted() }))
  }

  /** A change that somebody wanted who could not prove who they are. */
  async #auditUnproven(
    request: ReceivedRequest,
    service: Service,
    requestId: string,
    error: ApiError,
  ): Promise<void> {
    const { audit, now } = this.#options
    if (audit === undefined) return
    const action = wantedAction(service, request)
    if (action === undefined || isReadOnly(action)) return
    if (!this.#hasUnprovenLines()) {
      this.#omitted++
      return
    }
    this.#unprovenLines++
    const time = new Date(now())
    const caller = this.#callerOf(request, claimed(request), requestId)
    const call = { time, service, caller, isProven: false, action, input: undefined }
    const omittedBefore = this.#takeOmitted()
    await audit.append(auditEvent({ ...call, outcome: { error }, omittedBefore }))
  }

  #hasUnprovenLines(): boolean {
    const { now } = this.#options
    if (now() - this.#unprovenSince >= UNPROVEN_WINDOW_MS) {
      this.#unprovenSince = now()
      this.#unprovenLines = 0
    }
    return this.#unprovenLines < UNPROVEN_LINES
  }

  #takeOmitted(): number {
    const omitted = this.#omitted
    this.#omitted = 0
    return omitted
  }

  /** What the client is told of an error; of a bug, nothing but that there is one. */
  #apiError(service: Service, error: unknown, requestId: string, action: string): ApiError {
    if (error instanceof ApiError) return error
    const shown = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#options.onProblem(`API: a bug in ${action}, please report it (${requestId}): ${shown}`)
    return refusalError(
      service.protocol,
      new Refused('internal', 'An internal error has occurred.'),
    )
  }
}

interface Identity {
  readonly userName: string
  readonly accessKeyId: string | undefined
}

const ANYBODY: Identity = { userName: 'anonymous', accessKeyId: undefined }

const NO_BODY = Buffer.alloc(0)

function claimed(request: RequestHead): Identity {
  const signature = readSignature(request)
  const accessKeyId = signature instanceof Refused ? undefined : signature.accessKeyId
  return { userName: 'unproven', accessKeyId }
}

/** The action asked for, if there is one of that name. */
function wantedAction(service: Service, request: ReceivedRequest): string | undefined {
  const action = service.protocol.actionOf(request)
  return action !== undefined && service.actions.has(action) ? action : undefined
}

function headersOf(service: Service, requestId: string): Record<string, string> {
  return { 'Content-Type': service.protocol.contentType, 'x-amzn-RequestId': requestId }
}
