import { z } from 'zod'
import { deliveryNameOf } from '../flowlog/delivery-queue-format.js'

/** The places that a flow log of the control plane can name. */
const PLACE = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('s3'), bucket: z.string().min(1), prefix: z.string() }),
  z.strictObject({ kind: z.literal('cloudwatch-logs'), group: z.string().min(1) }),
  z.strictObject({ kind: z.literal('firehose'), stream: z.string().min(1) }),
])

const KEPT_DELIVERY = z.object({
  what: z.string().startsWith('fl-'),
  place: PLACE,
  region: z.string(),
})

/** Where a flow log is delivered to. Which files that are does not stand there: whoever wrote it could name any. */
type KeptDelivery = z.output<typeof KEPT_DELIVERY>

/** What is kept of the delivery of this name, as JSON. Throws Error in a few words where it is something else. */
export function parseKeptDelivery(text: string, name: string): KeptDelivery {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error('it is not JSON')
  }
  const checked = KEPT_DELIVERY.safeParse(value)
  if (!checked.success) {
    const { path, message } = checked.error.issues[0]!
    throw new Error(`${path.join('.') || 'the whole'}: ${message}`)
  }
  if (deliveryNameOf(checked.data.what) !== name) throw new Error('it is of another flow log')
  return checked.data
}
