import { changesTo, openControlPlane } from '../appliance/open-control-plane.js'
import { configuredResources } from '../control/declared-resources.js'
import { CONFIGURED_RESOURCES } from '../control/resource-schema.js'
import type { Change } from '../control/state.js'
import { checked } from '../control/yaml-file.js'
import { OperatorError } from '../errors.js'
import type { MetadataValues } from '../flowlog/metadata.js'
import type { NetworkInterface } from '../mirror/resources.js'
import type { SessionKey } from '../session/session-directory.js'

/** Mirror resources as a column takes them. */
export interface DeclaredMirror {
  readonly interfaces: ReadonlyMap<string, NetworkInterface>
  readonly changes: readonly Change[]
}

/**
 * Checks resources that a program declares, as those of a configuration file are. `say` is told of
 * sessions that nothing tells apart. Throws OperatorError that names the place.
 */
export async function declareMirror(
  resources: object,
  sessionKey: SessionKey,
  metadata: MetadataValues,
  say: (line: string) => void,
): Promise<DeclaredMirror> {
  const written = checked(resources, CONFIGURED_RESOURCES, (_path, said) => {
    return new OperatorError(`the mirror resources: ${said}`, { exitCode: 2 })
  })
  const declared = { ...configuredResources(written, Date.now()), flowLogs: [] }
  const plane = await openControlPlane(
    { stateFile: undefined, declared, sessionKey, metadata },
    say,
  )
  await plane.close()
  return { interfaces: plane.interfaces, changes: changesTo(plane) }
}
