import { z } from 'zod'
import {
  type Fields,
  type Format,
  type Kind,
  type MayBeLeftOut,
  mayBeLeftOut,
  type SaidOf,
} from '../mirror/fields.js'
import { parseCidr } from '../wire/address.js'
import {
  fields,
  id,
  listOf,
  oneOf,
  refuse,
  someText,
  text,
  wanting,
  whole,
} from './schema-fields.js'

/** What people may write in files for the fields of a resource, from the table of those. */

export const account = text('an account id of 12 digits, in quotes', (value) =>
  /^\d{12}$/.test(value),
)

export const cidr = text(
  'a CIDR block such as 10.0.0.0/8 or ::/0',
  (value) => value.includes('/') && parseCidr(value) !== undefined,
)

const portRange = fields({
  FromPort: whole(0, 65_535),
  ToPort: whole(0, 65_535),
}).superRefine(({ FromPort, ToPort }, context) => {
  if (FromPort > ToPort) refuse(context, ['ToPort'], `must not be below FromPort, ${FromPort}`)
})

const FORMATS = {
  cidr,
  'network-interface-id': id('eni'),
  'endpoint-id': id('vpce'),
  'network-load-balancer-arn': text('an ARN', (value) => value.startsWith('arn:')),
  'role-arn': someText,
  'log-group-name': someText,
} as const satisfies Record<Format, z.ZodType>

/** How each kind is written. */
function writtenAs(kind: Kind): z.ZodType {
  switch (kind.type) {
    case 'string':
      return someText
    case 'integer':
      return whole(kind.min, kind.max)
    case 'numbers':
      return z.literal(kind.values, wanting(kind.values.join(' or ')))
    case 'boolean':
      return z.boolean(wanting('true or false'))
    case 'choice':
      return oneOf(kind.values)
    case 'format':
      return FORMATS[kind.format]
    case 'ports':
      return portRange
    case 'account':
      return account
    case 'id':
    case 'reference':
      return id(kind.prefix)
    case 'list':
      return listOf(writtenAs(kind.of))
    case 'structure':
      return fields(writtenShape(kind.fields))
  }
}

/** Lists may be left out, and are empty then; what requests do not say, too. */
type WrittenShape<F extends Fields> = {
  [M in keyof F as F[M] extends { file: false } ? never : F[M]['aws']]: F[M] extends
    | MayBeLeftOut
    | { is: { type: 'account' } }
    ? z.ZodOptional<z.ZodType<SaidOf<F[M]['is']>>>
    : F[M] extends { is: { type: 'list' } }
      ? z.ZodDefault<z.ZodType<SaidOf<F[M]['is']>>>
      : z.ZodType<SaidOf<F[M]['is']>>
}

export function writtenShape<F extends Fields>(table: F): WrittenShape<F> {
  const shape: Record<string, z.ZodType> = {}
  for (const field of Object.values(table)) {
    if (field.file === false) continue
    const { is } = field
    const written = writtenAs(is)
    if (is.type === 'account' || mayBeLeftOut(field)) shape[field.aws] = written.optional()
    else if (is.type === 'list') shape[field.aws] = written.default([])
    else shape[field.aws] = written
  }
  return shape as WrittenShape<F>
}
