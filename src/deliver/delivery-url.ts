import { OperatorError } from '../errors.js'

/** Where a flow log, or captures, are delivered to. Plain data. */
export type Place = { readonly kind: 's3'; readonly bucket: string; readonly prefix: string }

export type PlaceKind = Place['kind']

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
  return `s3://${place.bucket}${place.prefix === '' ? '' : `/${place.prefix}`}`
}

/** The place that CreateFlowLogs names by `LogDestination`; undefined where none is named that is known here. */
export function placeOfFlowLog(flowLog: {
  readonly destinationType: 'cloud-watch-logs' | 's3' | 'kinesis-data-firehose'
  readonly destination?: string | undefined
  readonly logGroupName?: string | undefined
}): Place | undefined {
  const { destinationType, destination = '' } = flowLog
  if (destinationType === 's3') {
    const [, bucket, prefix = ''] = /^arn:[^:]*:s3:::([^/]+)(?:\/(.*))?$/.exec(destination) ?? []
    if (bucket !== undefined) return { kind: 's3', bucket, prefix: prefix.replace(/\/+$/, '') }
  }
  return undefined
}
