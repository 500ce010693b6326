import { createHash } from 'node:crypto'
import { type Action, ApiError, type Caller, type Output } from '../../aws/protocol/action.js'
import { type Made, onceFor } from '../../control/client-tokens.js'
import type { ControlPlane } from '../../control/control-plane.js'
import type { Draft } from '../../control/draft.js'
import { type IdPrefix, unknownId } from '../../control/ids.js'
import { Refusal } from '../../control/refusal.js'
import type { Resources } from '../../control/state.js'
import { type Parameters, readParameters, type Values } from './parameters.js'

/** Every operation has it. */
const DRY_RUN = { DryRun: { type: 'boolean' } } as const satisfies Parameters

export const CLIENT_TOKEN = {
  ClientToken: { type: 'format', format: 'client-token', orEmpty: true },
} as const satisfies Parameters

/** An operation of EC2: a row of the table in `operations.ts`. */
export interface Operation {
  readonly name: string
  /** All that it takes. */
  readonly parameters: Parameters
  /** Joins it to the control plane it works on. */
  actionOn(plane: ControlPlane, options: Ec2Options): Action
}

/** Why an object was not written, as `DescribeFlowLogs` would say it. */
export interface PutRefusal {
  readonly kind: 'Rate limited' | 'Access error' | 'Unknown error'
  readonly message: string
}

export interface Ec2Options {
  /** Writes an object to S3; undefined where nothing may go there. Answers with why it could not. */
  readonly putObject?:
    | ((object: {
        readonly bucket: string
        readonly key: string
        readonly body: string
      }) => Promise<PutRefusal | undefined>)
    | undefined
  /** What keeps a flow log from being delivered, as `DescribeFlowLogs` says it; undefined when nothing does. */
  readonly deliveryError?: (
    flowLogId: string,
  ) => 'Rate limited' | 'Access error' | 'Unknown error' | undefined
}

/** What an operation works with, beside its parameters. */
export interface Call {
  readonly plane: ControlPlane
  readonly caller: Caller
  readonly options: Ec2Options
}

interface OperationDefinition<P extends Parameters> {
  readonly name: string
  readonly parameters: P
  /** What no description of a single parameter can say; before a dry run is answered. Throws ApiError. */
  check?(values: Values<NoInfer<P>>): void
  run(values: Values<NoInfer<P>>, call: Call): Output | Promise<Output>
}

/**
 * An operation from its parts. A dry run ends after the checks of the parameters and ahead of
 * all that depends on what there is.
 */
export function operation<const P extends Parameters>(
  definition: OperationDefinition<P>,
): Operation {
  const { name } = definition
  const parameters: P & typeof DRY_RUN = { ...definition.parameters, ...DRY_RUN }
  return {
    name,
    parameters,
    actionOn: (plane, options) => ({
      name,
      run: async (input, caller) => {
        try {
          const values = readParameters(parameters, input)
          definition.check?.(values)
          if (values.DryRun === true) {
            throw new ApiError(
              'DryRunOperation',
              'Request would have succeeded, but DryRun flag is set.',
              412,
            )
          }
          return await definition.run(values, { plane, caller, options })
        } catch (error) {
          if (!(error instanceof Refusal)) throw error
          const status = error.code === 'ServiceUnavailable' ? 503 : 400
          throw new ApiError(error.code, error.message, status)
        }
      },
    }),
  }
}

interface Creation {
  readonly operation: string
  /** As read: what the client repeats with a token must be equal to this. */
  readonly values: { readonly ClientToken: string | undefined; readonly [name: string]: unknown }
  make(draft: Draft): Made
}

/**
 * Makes something, or finds out what was made when the same token came before. The resources
 * are those of that moment, for the answer to show their current state.
 */
export function create(
  { plane, caller }: Call,
  { operation, values, make }: Creation,
): Promise<Made & { readonly resources: Resources }> {
  const { ClientToken: token, DryRun: _, ...parameters } = values
  return plane.change((draft) => {
    if (token === undefined) return { ...make(draft), resources: draft.resources }
    const fingerprint = createHash('sha256').update(JSON.stringify(parameters)).digest('base64')
    const client = { operation, accountId: caller.accountId, token, fingerprint }
    const made = onceFor(draft, client, () => make(draft))
    return { ...made, resources: draft.resources }
  })
}

/** The one that was made. A repeated request whose resource was deleted since finds none, and makes none. */
export function onlyMade<R>(table: ReadonlyMap<string, R>, prefix: IdPrefix, { ids }: Made): R {
  const resource = table.get(ids[0]!)
  if (resource === undefined) throw unknownId(prefix, ids[0]!)
  return resource
}

/** What was made when nothing can fail in part. */
export function made(id: string): Made {
  return { ids: [id], failures: [] }
}
