import { OperatorError } from '../errors.js'
import {
  deliveryStreamOf,
  logGroupOf,
  type NamesDestination,
} from '../mirror/flow-log-destination.js'

/** Where a flow log, or captures, are delivered to. Plain data. */
export type Place =
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string }
  | { readonly kind: 'cloudwatch-logs'; readonly group: string }
  | { readonly kind: 'firehose'; readonly stream: string }

const STREAM = /^[\w.-]{1,64}$/
const LOG_GROUP = /^[.\-_/#A-Za-z0-9]{1,512}$/

/** What `--deliver` takes, by the scheme of the URL. */
const SCHEMES: Readonly<
  Record<string, { form: string; read: (rest: string) => Place | undefined }>
> = {
  s3: {
    form: 's3://bucket/prefix',
    read: (rest) => {
      const [, bucket, prefix = ''] = /^([^/]+)(?:\/(.*))?$/.exec(rest) ?? []
      return bucket === undefined
        ? undefined
        : { kind: 's3', bucket, prefix: prefix.replace(/\/+$/, '') }
    },
  },
  'cloudwatch-logs': {
    form: 'cloudwatch-logs://group',
    read: (rest) => (LOG_GROUP.test(rest) ? { kind: 'cloudwatch-logs', group: rest } : undefined),
  },
  firehose: {
    form: 'firehose://stream',
    read: (rest) => (STREAM.test(rest) ? { kind: 'firehose', stream: rest } : undefined),
  },
}

/** Reads the URL of a destination. Throws OperatorError (exit code 2). */
export function parsePlace(url: string): Place {
  const [, scheme = '', rest = ''] = /^([a-z0-9+-]+):\/\/(.*)$/s.exec(url) ?? []
  const known = Object.hasOwn(SCHEMES, scheme) ? SCHEMES[scheme] : undefined
  const place = known?.read(rest)
  if (place !== undefined) return place
  const forms = known === undefined ? Object.values(SCHEMES).map(({ form }) => form) : [known.form]
  throw new OperatorError(
    `'${url}' is no destination: give it as ${forms.join(', ').replace(/, ([^,]*)$/, ' or $1')}`,
    { exitCode: 2 },
  )
}

/** As messages name it. */
export function placeName(place: Place): string {
  switch (place.kind) {
    case 's3':
      return `s3://${place.bucket}${place.prefix === '' ? '' : `/${place.prefix}`}`
    case 'cloudwatch-logs':
      return `cloudwatch-logs://${place.group}`
    case 'firehose':
      return `firehose://${place.stream}`
  }
}

/** The place that CreateFlowLogs names; undefined where none is named that is known here. */
export function placeOfFlowLog(flowLog: NamesDestination): Place | undefined {
  const { destinationType, destination = '' } = flowLog
  switch (destinationType) {
    case 's3': {
      const [, bucket, prefix = ''] = /^arn:[^:]*:s3:::([^/]+)(?:\/(.*))?$/.exec(destination) ?? []
      if (bucket === undefined) return undefined
      return { kind: 's3', bucket, prefix: prefix.replace(/\/+$/, '') }
    }
    case 'cloud-watch-logs': {
      const group = logGroupOf(flowLog)
      return group === undefined ? undefined : { kind: 'cloudwatch-logs', group }
    }
    case 'kinesis-data-firehose': {
      const stream = deliveryStreamOf(flowLog)
      return stream === undefined ? undefined : { kind: 'firehose', stream }
    }
  }
}
