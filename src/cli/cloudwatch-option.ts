import { hostname } from 'node:os'
import { InvalidArgumentError, Option } from 'commander'
import type { CloudWatchMetrics, CloudWatchOptions } from '../metrics/cloudwatch.js'

/** Dimension of what is counted of the whole process. */
export const THIS_HOST = { name: 'Host', value: hostname() }

/** The same for the commands that count what is mirrored. */
export function cloudWatchOption(): Option {
  return new Option(
    '--cloudwatch-metrics <namespace>',
    "publish mirror metrics to CloudWatch once a minute, in this namespace and under AWS's names (NetworkMirrorIn, …); " +
      'mirrortap is an example of a namespace (default: not published)',
  ).argParser(parseNamespace)
}

function parseNamespace(text: string): string {
  if (text.startsWith('AWS/')) {
    throw new InvalidArgumentError('Namespaces that begin with AWS/ are for AWS: give another.')
  }
  if (/^[0-9A-Za-z._\-/#][0-9A-Za-z._\-/#:]{0,254}$/.test(text)) return text
  throw new InvalidArgumentError('Give a name of letters, digits and ._-/#: such as mirrortap.')
}

/** Loads what publishes them, where that is wanted. Rejects with OperatorError without the SDK. */
export async function openCloudWatch(
  namespace: string | undefined,
  others: Omit<CloudWatchOptions, 'namespace'>,
): Promise<CloudWatchMetrics | undefined> {
  if (namespace === undefined) return undefined
  const { CloudWatchMetrics } = await import('../metrics/cloudwatch.js')
  return CloudWatchMetrics.start({ ...others, namespace })
}
