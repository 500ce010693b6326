import type {
  FlowLog,
  MirrorFilter,
  MirrorSession,
  MirrorTarget,
  NetworkInterface,
  Tag,
} from '../mirror/resources.js'

/** What a table of the control plane holds, by the table's name. */
export interface ResourceOf {
  interfaces: NetworkInterface
  targets: MirrorTarget
  filters: MirrorFilter
  sessions: MirrorSession
  flowLogs: FlowLog
}

export type Table = keyof ResourceOf

/** In the order in which one may refer to those before it. */
export const TABLES = [
  'interfaces',
  'targets',
  'filters',
  'sessions',
  'flowLogs',
] as const satisfies Table[]

/**
 * All resources of a moment, by id. Never changed: the next moment has another.
 *
 * A session's target or filter may be missing when the configuration that declared it no
 * longer does. Such a session mirrors nothing until it is modified, like one in AWS whose
 * target's interface was deleted.
 */
export type Resources = { readonly [T in Table]: ReadonlyMap<string, ResourceOf[T]> }

/** One resource made (`before` undefined), changed, or gone (`after` undefined). A rule's change is one of its filter. */
export type Change = {
  [T in Table]: {
    readonly table: T
    readonly id: string
    readonly before: ResourceOf[T] | undefined
    readonly after: ResourceOf[T] | undefined
  }
}[Table]

/** A client token that was used, and what came of it. */
export interface TokenUse {
  /** Of the operation's parameters; the same again means the same request. */
  readonly fingerprint: string
  /** Of what was made. */
  readonly ids: readonly string[]
  /** What could not be made, of an operation that may succeed in part. */
  readonly failures: readonly PartFailure[]
  /** Milliseconds since the epoch. */
  readonly usedAt: number
}

export interface PartFailure {
  readonly resourceId: string
  readonly code: string
  readonly message: string
}

/** Which resources another control plane has, as of when it was asked last and something had changed. */
export interface Followed {
  /** What was asked for, and where. */
  readonly source: string
  readonly ids: ReadonlySet<string>
  /** Milliseconds since the epoch. */
  readonly readAt: number
}

/** What the control plane knows at a moment. */
export interface State {
  readonly resources: Resources
  /** Operation and token, by `tokenKey`; oldest first. */
  readonly tokens: ReadonlyMap<string, TokenUse>
  /** Ids of resources that the configuration declares, not the API: not saved, not to be changed. */
  readonly declared: ReadonlySet<string>
  /** Resources that are another control plane's: kept for when it cannot be asked, and not to be changed here. */
  readonly followed: Followed | undefined
  /** Of the appliance as a whole, which Network Firewall shows as a firewall. */
  readonly applianceTags: readonly Tag[]
}

export const EMPTY_STATE: State = {
  resources: {
    interfaces: new Map(),
    targets: new Map(),
    filters: new Map(),
    sessions: new Map(),
    flowLogs: new Map(),
  },
  tokens: new Map(),
  declared: new Set(),
  followed: undefined,
  applianceTags: [],
}
