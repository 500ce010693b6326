import { formatCidr, parseCidr } from '../wire/address.js'

/** Both ends included. */
export interface PortRange {
  readonly from: number
  readonly to: number
}

/** Text of a form that AWS checks before it looks anything up. */
export type Format =
  | 'cidr'
  | 'network-interface-id'
  | 'network-load-balancer-arn'
  | 'endpoint-id'
  | 'role-arn'
  | 'log-group-name'

/** What a member of a resource may be, as data: requests, files and saved states are checked against it. */
export type Kind =
  | { readonly type: 'string'; readonly lengthMax?: number }
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  /** One of these. */
  | { readonly type: 'numbers'; readonly values: readonly number[] }
  | { readonly type: 'boolean' }
  | { readonly type: 'choice'; readonly values: readonly string[] }
  | { readonly type: 'format'; readonly format: Format }
  | { readonly type: 'ports' }
  | { readonly type: 'account' }
  /** Its own id, which requests do not choose. */
  | { readonly type: 'id'; readonly prefix: string }
  /** The id of another resource. */
  | { readonly type: 'reference'; readonly prefix: string }
  | { readonly type: 'list'; readonly lengthMax: number; readonly of: Kind }
  | { readonly type: 'structure'; readonly fields: Fields }

export const text = (lengthMax?: number): Extract<Kind, { type: 'string' }> =>
  lengthMax === undefined ? { type: 'string' } : { type: 'string', lengthMax }
export const integer = (min: number, max: number) => ({ type: 'integer', min, max }) as const
export const choice = <const V extends readonly string[]>(...values: V) =>
  ({ type: 'choice', values }) as const
export const format = <const F extends Format>(name: F) =>
  ({ type: 'format', format: name }) as const
export const id = (prefix: string) => ({ type: 'id', prefix }) as const
export const reference = (prefix: string) => ({ type: 'reference', prefix }) as const
export const list = <const K extends Kind>(lengthMax: number, of: K) =>
  ({ type: 'list', lengthMax, of }) as const
export const structure = <const F extends Fields>(fields: F) =>
  ({ type: 'structure', fields }) as const

/** A member of a resource: everything that is said of it anywhere follows from this. */
export interface Field {
  /**
   * Its name in requests, session files and the SDK's objects. In replies it begins with a small letter;
   * `Describe…` filters and `RemoveField` have it in small letters with hyphens.
   */
  readonly aws: string
  readonly is: Kind
  /** May be left out, and is undefined then. */
  readonly optional?: true
  /** Requests may leave it out: whoever makes the resource then chooses. */
  readonly chosen?: true
  /** Of a member of a structure: what it is where the structure is given without it. */
  readonly default?: string | boolean
  /** Which of the requests to create and to modify have it, where it is not both. */
  readonly request?: 'create' | 'never'
  /** Not in session files and configurations. */
  readonly file?: false
  /** `Describe…` can filter by it. */
  readonly filter?: true
  /** Its name in replies, where that is another; false where they do not have it. */
  readonly reply?: string | false
}

/** By the names of the model, in the order in which requests are checked. */
export type Fields = Readonly<Record<string, Field>>

/** What the model holds. */
export type ValueOf<K extends Kind> = K extends { type: 'integer' | 'numbers' }
  ? number
  : K extends { type: 'boolean' }
    ? boolean
    : K extends { type: 'choice'; values: readonly (infer V)[] }
      ? V
      : K extends { type: 'ports' }
        ? PortRange
        : K extends { type: 'list'; of: infer O extends Kind }
          ? readonly ValueOf<O>[]
          : K extends { type: 'structure'; fields: infer F extends Fields }
            ? Members<F>
            : string

/** A resource with these fields. */
export type Members<F extends Fields> = Plain<
  {
    readonly [M in keyof F as F[M] extends { optional: true } ? never : M]: ValueOf<F[M]['is']>
  } & {
    readonly [M in keyof F as F[M] extends { optional: true } ? M : never]?:
      | ValueOf<F[M]['is']>
      | undefined
  }
>

type Plain<T> = { [K in keyof T]: T[K] }

/** The same under AWS's names, as requests and files have it. */
export type SaidOf<K extends Kind> = K extends { type: 'ports' }
  ? { readonly FromPort: number; readonly ToPort: number }
  : K extends { type: 'list'; of: infer O extends Kind }
    ? readonly SaidOf<O>[]
    : K extends { type: 'structure'; fields: infer F extends Fields }
      ? Said<F>
      : ValueOf<K>

export type MayBeLeftOut = { optional: true } | HasDefault

export type Said<F extends Fields> = {
  readonly [M in keyof F as F[M] extends MayBeLeftOut ? never : F[M]['aws']]: SaidOf<F[M]['is']>
} & {
  readonly [M in keyof F as F[M] extends MayBeLeftOut ? F[M]['aws'] : never]?:
    | SaidOf<F[M]['is']>
    | undefined
}

type HasDefault = { default: string | boolean }

/** The members that `S` says, and those that have a default. */
type MembersSaid<F extends Fields, S> = {
  readonly [M in keyof F as F[M] extends HasDefault ? M : F[M]['aws'] extends keyof S ? M : never]:
    | ValueOf<F[M]['is']>
    | (F[M] extends HasDefault ? never : Extract<S[F[M]['aws'] & keyof S], undefined>)
}

export function mayBeLeftOut({ optional, default: value }: Field): boolean {
  return optional === true || value !== undefined
}

/** The model's members of what is said under AWS's names. What is not said is not there. */
export function membersOf<F extends Fields, S extends object>(
  fields: F,
  said: S,
): MembersSaid<F, S> {
  const members: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) {
    const value = (said as Record<string, unknown>)[field.aws]
    const member = value === undefined ? field.default : modelValue(field.is, value)
    if (member !== undefined) members[name] = member
  }
  return members as MembersSaid<F, S>
}

function modelValue(kind: Kind, said: unknown): unknown {
  switch (kind.type) {
    case 'ports': {
      const { FromPort: from, ToPort: to } = said as SaidOf<{ type: 'ports' }>
      return { from, to }
    }
    case 'list':
      return (said as unknown[]).map((one) => modelValue(kind.of, one))
    case 'structure':
      return membersOf(kind.fields, said as object)
    case 'format':
      // Without the bits after the prefix, as EC2 keeps blocks of addresses.
      return kind.format === 'cidr' ? formatCidr(parseCidr(said as string)!) : said
    default:
      return said
  }
}

/** `packet-length`: what filters and `RemoveField` call a field. */
export function filterName({ aws }: Field): string {
  return aws.replace(/(?<!^)[A-Z]/g, '-$&').toLowerCase()
}

/** What `RemoveField` may name, and the member that it clears; EC2 lists those that have no default first. */
export function removableFields<F extends Fields>(fields: F): ReadonlyMap<string, keyof F> {
  const rows = Object.entries(fields).filter(([, { request }]) => request === undefined)
  const removable = [
    ...rows.filter(([, { optional }]) => optional),
    ...rows.filter(([, { chosen }]) => chosen),
  ]
  return new Map(removable.map(([name, field]) => [filterName(field), name]))
}
