import { z } from 'zod'
import { writtenShape } from '../../control/written-fields.js'
import { membersOf } from '../../mirror/fields.js'
import {
  addressesIn,
  FILTER_RULE,
  type FilterRule,
  MIRROR_FILTER,
  MIRROR_SESSION,
  MIRROR_TARGET,
  type MirrorFilter,
  type MirrorSession,
  type MirrorTarget,
  TARGET_ADDRESSES,
} from '../../mirror/resources.js'

/** Mirror resources in the replies of EC2, as the SDK has them, read into the model's. */

export const SAID_TAGS = z
  .array(z.object({ Key: z.string(), Value: z.string().default('') }))
  .default([])

/** Text that anybody may have written. */
const WORDS = { Description: z.string().optional(), Tags: SAID_TAGS }

export const SESSION = z.object({ ...writtenShape(MIRROR_SESSION), ...WORDS }).transform(
  (said): MirrorSession => ({
    ...membersOf(MIRROR_SESSION, said),
    ownerId: said.OwnerId ?? '',
  }),
)

const RULE = z
  .object({ ...writtenShape(FILTER_RULE), ...WORDS })
  .transform((said): FilterRule => membersOf(FILTER_RULE, said))

export const FILTER = z
  .object({
    ...writtenShape(MIRROR_FILTER),
    ...WORDS,
    IngressFilterRules: z.array(RULE).default([]),
    EgressFilterRules: z.array(RULE).default([]),
    NetworkServices: z
      .array(z.string())
      .default([])
      // Which packets belong to another service is not known here.
      .transform((services) => services.filter((service) => service === 'amazon-dns')),
  })
  .transform(
    (said): MirrorFilter => ({
      ...membersOf(MIRROR_FILTER, said),
      rules: [...said.IngressFilterRules, ...said.EgressFilterRules],
    }),
  )

export const TARGET = z
  .object({ ...writtenShape(MIRROR_TARGET), ...writtenShape(TARGET_ADDRESSES), ...WORDS })
  .refine((said) => addressesIn(said).length === 1, 'does not say what it is')
  .transform(
    (said): MirrorTarget => ({
      ...membersOf(MIRROR_TARGET, said),
      ...addressesIn(said)[0]!,
      ownerId: said.OwnerId ?? '',
    }),
  )
