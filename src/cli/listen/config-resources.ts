import { z } from 'zod'
import { type ConfiguredResources, configuredResources } from '../../control/declared-resources.js'
import { CONFIGURED_LISTS, CONFIGURED_RESOURCES } from '../../control/resource-schema.js'
import { fields, listOf, refuse, someText, text, whole } from '../../control/schema-fields.js'
import type { YamlFile } from '../../control/yaml-file.js'
import { OperatorError } from '../../errors.js'
import { ExpressionFilter } from '../../filter/expression-filter.js'
import { parseLogFormat } from '../../flowlog/log-format.js'
import { fieldsOfResource } from '../../flowlog/transit-gateway-fields.js'
import type { NamedFilter } from '../../session/session-filter.js'
import { VNI_MAX } from '../../wire/vxlan.js'

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

/** The key of a configuration under which sessions have filters of their own. */
export const FILTERS_KEY = 'filters'

const namedFilter = fields({
  vni: whole(0, VNI_MAX).optional(),
  session: text('the name of a session', (name) => /^\S+$/.test(name)).optional(),
  filter: someText,
}).superRefine(({ vni, session, filter }, context) => {
  if (vni === undefined && session === undefined) {
    refuse(context, [], 'must name a session: vni or session is missing')
  }
  try {
    new ExpressionFilter(filter)
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error
    refuse(context, ['filter'], error.message.replace(/^the filter /, ''), { isComplete: true })
  }
})

const CONFIGURATION = z.preprocess(
  // A file that is all comments holds nothing.
  (value) => value ?? {},
  z.looseObject({ [FILTERS_KEY]: listOf(namedFilter).optional() }),
)

/** The filters of single sessions. Throws OperatorError (exit code 2): file, line, what is wrong. */
export function filtersIn(config: YamlFile): readonly NamedFilter[] {
  return config.valueOf(CONFIGURATION)[FILTERS_KEY] ?? []
}
