import { ApiError, type Input, type Output } from './action.js'
import type { ReceivedRequest } from './request.js'

/** Why a request goes no further than the transport. Each protocol has a code of its own for it. */
export type Refusal =
  | 'missing-signature'
  | 'malformed-signature'
  | 'unknown-key'
  | 'wrong-signature'
  | 'wrong-time'
  | 'wrong-scope'
  | 'forbidden'
  | 'malformed'
  | 'too-large'
  | 'busy'
  | 'unavailable'
  | 'wrong-method'
  | 'unknown-path'
  | 'unknown-action'
  | 'internal'

/** A refusal on its way to the protocol; `message` is for people, and goes to the client. */
export class Refused {
  readonly refusal: Refusal
  readonly message: string

  constructor(refusal: Refusal, message: string) {
    this.refusal = refusal
    this.message = message
  }
}

export type RefusalCodes = Readonly<Record<Refusal, readonly [code: string, status: number]>>

/** What a request asks for. */
export interface Call {
  /** Name of the action; the protocol does not know which there are. */
  readonly action: string
  readonly input: Input
}

/** Bytes at the beginning of a body in which `actionOf` looks: clients send the action first. */
export const ACTION_WITHIN = 4096

/** How a service spells calls, replies and errors. */
export interface Protocol {
  readonly contentType: string
  /** Reads the call out of a request. Throws ApiError. */
  read(request: ReceivedRequest): Call
  /** The action that a request names, without reading all of it: nobody knows yet who sent it. */
  actionOf(request: ReceivedRequest): string | undefined
  /** The body of a reply. */
  reply(action: string, output: Output, requestId: string): string
  /** The body of an error. */
  fail(error: ApiError, requestId: string): string
  readonly refusals: RefusalCodes
}

export function refusalError(protocol: Protocol, refused: Refused): ApiError {
  const [code, status] = protocol.refusals[refused.refusal]
  return new ApiError(code, refused.message, status)
}
