import {
  type Field,
  type Fields,
  filterName,
  type Kind,
  type MayBeLeftOut,
  type Members,
  mayBeLeftOut,
  removableFields,
} from '../../mirror/fields.js'
import type { FilterFields } from './describe.js'
import type { Parameter, Parameters } from './parameters.js'

/** What EC2's operations say of a resource, from the table of its fields. */

const PORT = { type: 'integer', min: 0, max: 65535, required: true } as const
const PORT_RANGE = { type: 'structure', members: { FromPort: PORT, ToPort: PORT } } as const

/** Which numbers there are is checked by the operation, which has a code of its own for that. */
const NUMBER = { type: 'integer', min: 0, max: 2 ** 31 - 1 } as const

type ParameterOf<K extends Kind> = K extends { type: 'ports' }
  ? typeof PORT_RANGE
  : K extends { type: 'list'; of: infer O extends Kind }
    ? { type: 'list'; lengthMax: number; of: ParameterOf<O> }
    : K extends { type: 'numbers' }
      ? typeof NUMBER
      : K extends { type: 'structure'; fields: infer F extends Fields }
        ? { type: 'structure'; members: ParametersOf<F, 'create'> }
        : K extends Parameter
          ? K
          : { type: 'string' }

type Request = 'create' | 'modify'

type IsAsked<F extends Field, R extends Request> = F extends
  | { is: { type: 'id' } }
  | { request: 'never' }
  ? false
  : F extends { request: 'create' }
    ? R extends 'create'
      ? true
      : false
    : true

type ParametersOf<F extends Fields, R extends Request> = {
  readonly [M in keyof F as IsAsked<F[M], R> extends true ? F[M]['aws'] : never]: ParameterOf<
    F[M]['is']
  > &
    (R extends 'modify'
      ? unknown
      : F[M] extends MayBeLeftOut | { chosen: true }
        ? unknown
        : { required: true })
}

/** The parameters of the request that creates such a resource, or of that which modifies one and needs none of them. */
export function parametersOf<const F extends Fields, R extends Request>(
  fields: F,
  request: R,
): ParametersOf<F, R> {
  const parameters: Record<string, Parameter> = {}
  for (const field of Object.values(fields)) {
    if (field.is.type === 'id' || (field.request ?? request) !== request) continue
    const parameter = parameterOf(field.is)
    const isRequired = request === 'create' && !field.chosen && !mayBeLeftOut(field)
    parameters[field.aws] = isRequired ? { ...parameter, required: true } : parameter
  }
  return parameters as ParametersOf<F, R>
}

function parameterOf(kind: Kind): Parameter {
  switch (kind.type) {
    case 'ports':
      return PORT_RANGE
    case 'numbers':
      return NUMBER
    case 'list':
      return { ...kind, of: parameterOf(kind.of) }
    case 'structure':
      return { type: 'structure', members: parametersOf(kind.fields, 'create') as Parameters }
    case 'id':
    case 'reference':
    case 'account':
      return { type: 'string' }
    default:
      return kind
  }
}

/** `RemoveField` of the request that modifies such a resource. */
export function removeField(fields: Fields) {
  const values = [...removableFields(fields).keys()]
  return { type: 'list', lengthMax: 10, of: { type: 'choice', values } } as const
}

/** The filters of `Describe…`; `part` has these fields of what is described. */
export function filtersOf<F extends Fields, R = Members<F>>(
  fields: F,
  part: (resource: R) => object = (resource) => resource as object,
): FilterFields<R> {
  const rows = Object.entries(fields).filter(([, { filter }]) => filter)
  return Object.fromEntries(
    rows.map(([name, field]) => [
      filterName(field),
      (resource) => (part(resource) as Readonly<Record<string, string | number | undefined>>)[name],
    ]),
  )
}

/** The resource as replies show it. */
export function replyOf<F extends Fields>(fields: F, resource: Members<F>): object {
  const reply: Record<string, unknown> = {}
  for (const [name, { aws, is, reply: other }] of Object.entries(fields)) {
    if (other === false) continue
    const value = (resource as Readonly<Record<string, unknown>>)[name]
    const element = other ?? aws.charAt(0).toLowerCase() + aws.slice(1)
    reply[element] = value === undefined ? undefined : shown(is, value)
  }
  return reply
}

function shown(kind: Kind, value: unknown): unknown {
  switch (kind.type) {
    case 'ports': {
      const { from, to } = value as { from: number; to: number }
      return { fromPort: from, toPort: to }
    }
    case 'list':
      return (value as unknown[]).map((one) => shown(kind.of, one))
    case 'structure':
      return replyOf(kind.fields, value as Members<Fields>)
    default:
      return value
  }
}
