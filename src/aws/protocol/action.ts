/**
 * What an operation of the API is: the contract between the transport in this
 * folder, which reads requests, checks signatures and writes replies, and the
 * operations themselves, which know nothing of HTTP, XML or JSON.
 *
 * To add one: a file with an `Action`, and a row in the table of its service.
 */

/** Characters of a message: what a client sent is not sent back, and into the audit log, at any length. */
const MESSAGE_MAX = 4096

/**
 * An operation refused, in AWS's terms. The transport turns it into the error of
 * the request's protocol; anything else that is thrown is a bug, and is answered
 * as an internal error without its text.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** AWS's code as clients compare it, such as `InvalidParameterValue`. */
  readonly code: string
  /** HTTP status, 400 … 599. */
  readonly status: number

  /** `message` is for people, and is sent to the client as it is, unless it is too long. */
  constructor(code: string, message: string, status = 400) {
    super(message.length > MESSAGE_MAX ? `${message.slice(0, MESSAGE_MAX)}…` : message)
    this.code = code
    this.status = status
  }
}

/** Who asks, proven by the signature (or taken on trust with `--no-auth`), and from where. */
export interface Caller {
  /** undefined with `--no-auth`. */
  readonly accessKeyId: string | undefined
  /** The profile's name in the credentials file; `anonymous` with `--no-auth`. */
  readonly userName: string
  /** `arn:aws:iam::<account>:user/<userName>`. */
  readonly arn: string
  /** Twelve digits, of the configuration. */
  readonly accountId: string
  /** Of the configuration, such as `us-east-1`. */
  readonly region: string
  /** The address of the peer; no header is believed. */
  readonly sourceIpAddress: string
  /** As sent; empty when it was not. */
  readonly userAgent: string
  /** A fresh lower-case UUID, the same as in the reply and the audit log. */
  readonly requestId: string
}

/**
 * What the client sent. The value of a name that was not sent is undefined, and
 * there is no prototype: `input['constructor']` is undefined as well.
 *
 * EC2: the query parameters but for `Action`, `Version` and those of the
 * signature, under AWS's wire names, nested at the dots: `Filter.1.Value.2=a` is
 * in `{ Filter: [{ Value: [..., 'a'] }] }`. Every leaf is a string as it came,
 * possibly empty. A list is in the order of its indexes, without their gaps.
 * Whether something is a string, a list or an object is what the client made it:
 * check before use.
 *
 * Network Firewall: the JSON object of the body; members that are null are left out.
 */
export type Input = Readonly<Record<string, unknown>>

/**
 * What goes into the reply, a plain object under the protocol's names in the order
 * of its members.
 *
 * EC2: names as in the XML (`trafficMirrorSessionSet`); an array becomes a list of
 * `<item>`, an empty array `<name/>`, a Date `2026-03-01T12:00:00.123Z`; numbers and
 * booleans are written in full. `requestId` is added by the transport.
 *
 * Network Firewall: names as in the JSON (`FlowOperationId`); a Date becomes seconds
 * since the epoch with a fraction, as the protocol has it.
 *
 * Members that are undefined or null are left out in both.
 */
export type Output = object

/**
 * One operation. `run` throws ApiError to refuse; when it returns (or resolves), what it did
 * is done and will be told to the audit log and to the client, who may have gone by then.
 *
 * An operation whose name does not begin with `Describe`, `List` or `Get` is a change, and is
 * audited, whatever comes of it.
 */
export interface Action {
  /** As in the request: `CreateTrafficMirrorSession`. */
  readonly name: string
  run(input: Input, caller: Caller): Output | Promise<Output>
}
