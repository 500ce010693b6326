import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { OperatorError } from '../errors.js'
import { type Place, parsePlace } from './delivery-url.js'
import { queueDirectory, slugOf } from './flow-log-deliveries.js'
import type { DeliverySpec } from './messages.js'

/** Where captures are delivered to. Throws OperatorError (exit code 2) for a place that takes no files. */
export function parseCapturePlace(url: string): Place {
  const place = parsePlace(url)
  if (place.kind === 's3') return place
  throw new OperatorError(
    `captures are delivered to S3, not to '${url}': give s3://bucket/prefix`,
    {
      exitCode: 2,
    },
  )
}

/**
 * The delivery of finished captures below a directory: as `prefix/<session>/<UTC start>.pcap`, the
 * path that they have there. They stay; those finished before it was first asked for are not
 * delivered. `names`: what their names match. Throws the file system's error.
 */
export function captureDelivery(
  directory: string,
  { place, region, names }: { place: Place; region: string; names: RegExp },
): DeliverySpec {
  const slug = slugOf(place)
  mkdirSync(queueDirectory(directory), { recursive: true })
  const journal = join(queueDirectory(directory), `captures-${slug}.delivered`)
  const queue = { directory, names: names.source, journal }
  return { name: `captures-${slug}`, what: 'captures', place, region, queue }
}
