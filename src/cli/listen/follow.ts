import { REGISTERED_MAX } from '../../appliance/column.js'
import { checkInterfaces } from '../../appliance/open-control-plane.js'
import type { ControlPlane } from '../../control/control-plane.js'
import { type FollowedResources, follow, unfollow } from '../../control/followed-resources.js'
import { Refusal } from '../../control/refusal.js'
import { OperatorError } from '../../errors.js'
import type { MetadataValues } from '../../flowlog/metadata.js'
import type { ListenOptions } from './options.js'

/** Follows until all is to stop. Rejects with an OperatorError where nothing was ever known, and asking again would not help. */
export type Following = () => Promise<void>

interface Surroundings {
  readonly plane: ControlPlane
  /** What is configured for every interface. */
  readonly metadata: MetadataValues
  readonly say: (line: string) => void
  readonly warn: (line: string) => void
  readonly signal: AbortSignal
}

/** Sessions named in one line. */
const NAMED_MAX = 10

/**
 * What follows the sessions that the control plane of `--control` has for the appliance's targets;
 * undefined where none is named. What an earlier run followed elsewhere is forgotten, the rest
 * holds until there is an answer. Rejects with OperatorError.
 */
export async function openFollowing(
  {
    control,
    targets = [],
    networkInterfaceId: networkInterfaceIds = [],
    controlInterval,
  }: ListenOptions,
  { plane, metadata, say, warn, signal }: Surroundings,
): Promise<Following | undefined> {
  const { followed } = plane
  const wanted = [...targets, ...networkInterfaceIds].join(', ')
  const source = control === undefined ? undefined : `${new URL(control).origin} for ${wanted}`
  const isKnown = followed !== undefined && followed.source === source
  if (followed !== undefined && !isKnown) {
    await plane.change(unfollow)
    say(`${followed.source} is not followed any more: what was known from there is forgotten`)
  }
  if (control === undefined || source === undefined) return undefined

  const [{ Ec2Api, regionInHost, regionToSign }, { readTargetResources }, { SessionFollower }] =
    await Promise.all([
      import('../../aws/follow/ec2-client.js'),
      import('../../aws/follow/target-resources.js'),
      import('../../aws/follow/session-follower.js'),
    ])
  const url = new URL(control)
  // What `--region` says is what flow logs tell; a host that names its region knows better.
  const region = regionToSign(url, regionInHost(url) ?? metadata.region)
  const api = await Ec2Api.open({ url, region })
  let isRefusalSaid = false
  const follower = new SessionFollower<FollowedResources>({
    read: async (until) => {
      let refusal: string | undefined
      const resources = await readTargetResources(
        api,
        { targets, networkInterfaceIds },
        until,
        (why) => {
          refusal ??= why
        },
      )
      if (refusal !== undefined && !isRefusalSaid) {
        warn(`${refusal}; flow logs go without what it would tell`)
      }
      isRefusalSaid = refusal !== undefined
      return resources
    },
    async onChange(resources) {
      checkInterfaces(resources.interfaces, metadata)
      try {
        await plane.change((draft) => follow(draft, source, resources, REGISTERED_MAX))
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        throw new OperatorError(`the sessions of ${source} cannot be followed: ${error.message}`, {
          cause: error,
        })
      }
      for (const line of linesOf(source, targets, resources)) say(line)
    },
    say: warn,
    intervalMs: controlInterval * 1000,
    knownSince: isKnown ? followed.readAt : undefined,
    signal,
  })
  return async () => {
    try {
      // With sessions from an earlier run, there is nothing to wait for.
      if (!isKnown) await follower.start()
      await follower.run()
    } finally {
      api.close()
    }
  }
}

function linesOf(
  source: string,
  targets: readonly string[],
  resources: FollowedResources,
): string[] {
  const each = resources.sessions.map(
    ({ id, networkInterfaceId, virtualNetworkId }) =>
      `${id} (${networkInterfaceId}, VNI ${virtualNetworkId})`,
  )
  const more = each.length > NAMED_MAX ? ` and ${each.length - NAMED_MAX} more` : ''
  const named = each.length === 0 ? 'none' : each.slice(0, NAMED_MAX).join(', ') + more
  const missing = targets.filter((id) => resources.targets.every((target) => target.id !== id))
  return [
    `sessions followed from ${source}: ${named}`,
    ...(missing.length === 0 ? [] : [`there is no ${missing.join(', ')} there (yet)`]),
  ]
}
