import { type ConfiguredResources, configuredResources } from '../../control/declared-resources.js'
import { CONFIGURED_LISTS, CONFIGURED_RESOURCES } from '../../control/resource-schema.js'
import type { YamlFile } from '../../control/yaml-file.js'
import { parseLogFormat } from '../../flowlog/log-format.js'
import { fieldsOfResource } from '../../flowlog/transit-gateway-fields.js'

/** Keys of a configuration that are no options. */
export const RESOURCE_KEYS = CONFIGURED_LISTS

/** The mirror resources that a configuration declares. Throws OperatorError (exit code 2): file, line, what is wrong. */
export function resourcesIn(config: YamlFile): ConfiguredResources {
  const found = config.valueOf(CONFIGURED_RESOURCES)
  const resources = configuredResources(found, Date.now())
  return {
    ...resources,
    flowLogs: resources.flowLogs.map((flowLog) => ({
      ...flowLog,
      logFormat: parseLogFormat(
        flowLog.logFormat === '' ? undefined : flowLog.logFormat,
        fieldsOfResource(flowLog.resourceType),
      ).text,
    })),
  }
}
