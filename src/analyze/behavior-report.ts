/** What is noted of the behaviour of hosts, for findings to judge. */

interface Failures {
  readonly refused: number
  readonly unanswered: number
  /** From the first of them to the last. */
  readonly seconds: number
}

export interface ScanRow extends Failures {
  readonly source: string
  /** Undefined where one port of many hosts was tried. */
  readonly destination: string | undefined
  readonly protocol: number
  /** Undefined where many ports of one host were tried. */
  readonly port: number | undefined
  /** Ports of the host, or hosts on the port, that were tried in vain. */
  readonly targets: number
}

export interface AttemptRow {
  readonly port: number
  readonly attempted: number
  readonly refused: number
  readonly unanswered: number
}

export interface FloodRow {
  readonly destination: string
  readonly port: number
  readonly attempted: number
  readonly halfOpen: number
  readonly seconds: number
}

export interface OneWayRow {
  /** Its index. */
  readonly session: number
  readonly oneWay: number
  readonly both: number
}

export interface SplitRow {
  /** Their indices. */
  readonly sessions: readonly [number, number]
  readonly connections: number
}

export interface TimeoutRow {
  /** Who no longer answered, and on which port. */
  readonly destination: string
  readonly port: number
  readonly connections: number
}

export interface CleartextRow {
  readonly name: string
  readonly port: number
  readonly connections: number
}

export interface BeaconRow {
  readonly source: string
  readonly destination: string
  readonly port: number
  readonly connections: number
  /** Seconds between them, and how far they stray from that. */
  readonly mean: number
  readonly deviation: number
}

export interface ApplicationBehavior {
  readonly dns: {
    readonly responses: number
    readonly failed: number
    /** The names that failed most. */
    readonly names: readonly (readonly [name: string, count: number])[]
    /** Domains below which unusually long names were asked for. */
    readonly longNames: readonly (readonly [domain: string, count: number])[]
  }
  /** Servers whose hello chose a version or cipher that is weak, and what. */
  readonly weakTls: readonly (readonly [server: string, count: number])[]
  readonly tlsServers: number
  /** Requests that carried a name and a password in clear text, by server. */
  readonly credentials: readonly (readonly [server: string, count: number])[]
}

export interface Behavior {
  readonly portScans: readonly ScanRow[]
  readonly hostScans: readonly ScanRow[]
  readonly failures: readonly AttemptRow[]
  readonly floods: readonly FloodRow[]
  readonly oneWay: readonly (OneWayRow & { readonly name: string; readonly vni: number | null })[]
  /** Names of the sessions, and their VNIs. */
  readonly splits: readonly {
    readonly names: readonly [string, string]
    readonly vnis: readonly (number | null)[]
    readonly connections: number
  }[]
  readonly timeouts: readonly TimeoutRow[]
  readonly cleartext: readonly CleartextRow[]
  readonly beacons: readonly BeaconRow[]
  readonly application: ApplicationBehavior
}
