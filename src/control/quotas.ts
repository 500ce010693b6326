/**
 * How many of each there may be.
 *
 * https://docs.aws.amazon.com/vpc/latest/mirroring/traffic-mirroring-limits.html
 * https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-limitations.html
 */
export interface Quotas {
  readonly sessions: number
  readonly sessionsPerInterface: number
  readonly targets: number
  readonly filters: number
  /** Of both directions together. */
  readonly rulesPerFilter: number
  /** Mirrored interfaces of one target that is an interface; load balancers and endpoints take any number. */
  readonly sourcesPerInterfaceTarget: number
  readonly flowLogsPerResource: number
  /** AWS names none. Each is open on the disk, in every worker. */
  readonly flowLogs: number
  /** Of all resources together, as JSON: the quotas above, each resource with all the tags it may have, are gigabytes. */
  readonly storedBytes: number
  /** Tags whose key begins with `aws:` would not count, but nobody can make them here. */
  readonly tagsPerResource: number
}

/**
 * AWS's. An interface as target takes 10 sources on most instances and 100 on the
 * largest; since the size of the target's instance is not known here, 100.
 */
export const AWS_QUOTAS: Quotas = {
  sessions: 10_000,
  sessionsPerInterface: 3,
  targets: 10_000,
  filters: 10_000,
  rulesPerFilter: 10,
  sourcesPerInterfaceTarget: 100,
  flowLogsPerResource: 250,
  flowLogs: 10_000,
  storedBytes: 48 * 1024 * 1024,
  tagsPerResource: 50,
}
