import { type MetadataValues, SessionMetadata } from '../flowlog/metadata.js'
import type { FlowLogTagFields, MirrorSession, NetworkInterface, Tag } from '../mirror/resources.js'

/** What the configuration says of an interface, over `base`, which it says of all. */
export function interfaceMetadata(
  base: MetadataValues,
  networkInterface: NetworkInterface | undefined,
): MetadataValues {
  if (networkInterface === undefined) return base
  const { id, accountId, vpcId, subnetId, instanceId, availabilityZoneId } = networkInterface
  return {
    ...base,
    'interface-id': id,
    'account-id': accountId ?? base['account-id'],
    'vpc-id': vpcId ?? base['vpc-id'],
    'subnet-id': subnetId ?? base['subnet-id'],
    'instance-id': instanceId ?? base['instance-id'],
    'az-id': availabilityZoneId ?? base['az-id'],
  }
}

/**
 * What no packet carries and the control plane knows of a session, for the records of a flow
 * log with these tag fields. Tags of the interface and its instance are those of the
 * configuration; where it has none of the interface, those of the session stand for them.
 */
export function registeredMetadata(
  base: MetadataValues,
  session: MirrorSession,
  networkInterface: NetworkInterface | undefined,
  tagFields: readonly FlowLogTagFields[],
): SessionMetadata {
  const values: Record<string, string | undefined> = {
    ...interfaceMetadata(base, networkInterface),
    'interface-id': session.networkInterfaceId,
  }
  values['account-id'] = networkInterface?.accountId ?? session.ownerId
  const tags = {
    'network-interface': { field: 'interface-tag', tags: networkInterface?.tags ?? session.tags },
    instance: { field: 'instance-tag', tags: networkInterface?.instanceTags ?? [] },
    'auto-scaling-group': { field: 'asg-tag', tags: [] },
  } as const
  for (const { resourceType, tagKeys } of tagFields) {
    const { field, tags: known } = tags[resourceType]
    for (const [index, key] of tagKeys.entries()) {
      values[index === 0 ? field : `${field}-2`] = tagValue(known, key)
    }
  }
  return new SessionMetadata(values)
}

function tagValue(tags: readonly Tag[], key: string): string | undefined {
  return tags.find((tag) => tag.key === key)?.value
}
