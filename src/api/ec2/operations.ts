import type { Action } from '../../aws/protocol/action.js'
import type { ControlPlane } from '../../control/control-plane.js'
import { FILTER_RULE_OPERATIONS } from './filter-rules.js'
import { FILTER_OPERATIONS } from './filters.js'
import { FLOW_LOG_OPERATIONS } from './flow-logs.js'
import { INTEGRATION_OPERATIONS } from './integration-template.js'
import { INVENTORY_OPERATIONS } from './inventory.js'
import type { Ec2Options, Operation } from './operation.js'
import { SESSION_OPERATIONS } from './sessions.js'
import { TAG_OPERATIONS } from './tags.js'
import { TARGET_OPERATIONS } from './targets.js'

/**
 * The operations of EC2 that there are here, of API version 2016-11-15.
 *
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Welcome.html
 */
export const EC2_OPERATIONS: readonly Operation[] = [
  ...SESSION_OPERATIONS,
  ...TARGET_OPERATIONS,
  ...FILTER_OPERATIONS,
  ...FILTER_RULE_OPERATIONS,
  ...FLOW_LOG_OPERATIONS,
  ...TAG_OPERATIONS,
  ...INVENTORY_OPERATIONS,
  ...INTEGRATION_OPERATIONS,
]

/** All of them, working on this control plane. */
export function ec2Actions(plane: ControlPlane, options: Ec2Options = {}): Action[] {
  return EC2_OPERATIONS.map((operation) => operation.actionOn(plane, options))
}
