import { randomUUID } from 'node:crypto'
import type { ApiError, Caller, Input, Output } from '../../aws/protocol/action.js'
import type { Service } from '../../aws/protocol/service.js'

/** CloudTrail leaves out what is longer than this, too. */
const PART_MAX = 100 * 1024
const USER_AGENT_MAX = 1024

/** Lower-case letters are in secrets, and people do paste the wrong half. */
const LOOKS_LIKE_KEY_ID = /^[A-Z0-9]{1,128}$/

/** One call, as the audit log tells it. */
interface AuditedCall {
  readonly time: Date
  readonly service: Service
  /** Who: undefined accessKeyId and all when the signature proved nobody. */
  readonly caller: Caller
  readonly isProven: boolean
  readonly action: string
  /** undefined when the request was refused before it was read. */
  readonly input: Input | undefined
  readonly outcome: { readonly output: Output } | { readonly error: ApiError }
  /** Refused requests before this one that had no line of their own. */
  readonly omittedBefore: number
}

/** Whether CloudTrail would count a call of this name as a read. */
export function isReadOnly(action: string): boolean {
  return /^(?:Describe|List|Get)/.test(action)
}

/**
 * The record of one call, in the shape of a CloudTrail record: parameters are as the wire named
 * them, what is too long is left out, and nothing of the signature is in it.
 *
 * https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
 */
export function auditEvent(call: AuditedCall): object {
  const { caller, service, outcome } = call
  const error = 'error' in outcome ? outcome.error : undefined
  return {
    eventVersion: '1.09',
    userIdentity: identityOf(call),
    eventTime: timeText(call.time),
    eventSource: service.eventSource,
    eventName: call.action,
    awsRegion: caller.region,
    sourceIPAddress: caller.sourceIpAddress,
    userAgent: caller.userAgent.slice(0, USER_AGENT_MAX),
    ...(error === undefined ? {} : { errorCode: error.code, errorMessage: error.message }),
    requestParameters: bounded(call.input),
    responseElements: 'output' in outcome ? bounded(outcome.output) : null,
    ...(call.omittedBefore === 0
      ? {}
      : { additionalEventData: { omittedRefusals: call.omittedBefore } }),
    requestID: caller.requestId,
    eventID: randomUUID(),
    readOnly: isReadOnly(call.action),
    eventType: 'AwsApiCall',
    managementEvent: true,
    recipientAccountId: caller.accountId,
    eventCategory: 'Management',
  }
}

/** In the place of lines that could not be written. */
export function lostLinesEvent(lostLines: number, time: Date): object {
  return {
    eventVersion: '1.09',
    eventTime: timeText(time),
    eventName: 'AuditLinesLost',
    eventID: randomUUID(),
    eventType: 'AwsServiceEvent',
    additionalEventData: { lostLines },
  }
}

/** CloudTrail's own has no fraction. */
function timeText(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z')
}

function identityOf({ caller, isProven }: AuditedCall): object {
  const { accessKeyId, userName, arn, accountId } = caller
  if (isProven && accessKeyId !== undefined) {
    return { type: 'IAMUser', principalId: accessKeyId, arn, accountId, accessKeyId, userName }
  }
  const isShown = accessKeyId !== undefined && LOOKS_LIKE_KEY_ID.test(accessKeyId)
  const shown = isShown ? { accessKeyId } : {}
  return { type: 'Unknown', accountId, ...shown, userName }
}

function bounded(part: object | undefined): unknown {
  if (part === undefined) return null
  const json = JSON.stringify(part, (_, value) =>
    typeof value === 'bigint' ? String(value) : (value as unknown),
  )
  if (json.length <= PART_MAX) return JSON.parse(json) as unknown
  return { omitted: true, originalSize: json.length, reason: 'REQUEST_SIZE_EXCEEDED' }
}
