/**
 * Which session of an interface mirrors a packet, as AWS decides it.
 *
 * https://docs.aws.amazon.com/vpc/latest/mirroring/traffic-mirroring-filters.html
 *
 * @module mirrortap/mirror
 */

export {
  type EvaluatorOptions,
  MirrorEvaluator,
  NOT_MIRRORED,
  type SessionParts,
} from '../mirror/evaluator.js'
export type { PortRange } from '../mirror/fields.js'
export { InterfaceMatcher } from '../mirror/packet-direction.js'
export type {
  FilterRule,
  MirrorFilter,
  MirrorSession,
  MirrorTarget,
  NetworkInterface,
  NetworkService,
  Tag,
  TrafficDirection,
} from '../mirror/resources.js'
export { RuleSet } from '../mirror/rule-set.js'
