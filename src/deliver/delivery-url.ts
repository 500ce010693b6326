import { OperatorError } from '../errors.js'
import {
  deliveryStreamOf,
  logGroupOf,
  type NamesDestination,
} from '../mirror/flow-log-destination.js'
import { formatHostPort, type HostPort, parseHostPort } from '../wire/host-port.js'
import { IPFIX_PORT } from '../wire/ipfix.js'

/** Where a flow log, or captures, are delivered to. Plain data. */
export type Place =
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string }
  | { readonly kind: 'cloudwatch-logs'; readonly group: string }
  | { readonly kind: 'firehose'; readonly stream: string }
  | IpfixPlace
  | NatsPlace

/** A collector of flows. */
export interface IpfixPlace extends HostPort {
  readonly kind: 'ipfix'
  readonly transport: 'udp' | 'tcp'
  /** Of the path of datagrams; undefined: what every path carries. */
  readonly mtu?: number | undefined
}

/** A stream of NATS JetStream. */
export interface NatsPlace {
  readonly kind: 'nats'
  /** Some of the servers of a cluster; they name the others. */
  readonly servers: readonly HostPort[]
  readonly stream: string
  /** Copies of a stream that is made; undefined: three in a cluster. */
  readonly replicas?: number | undefined
}

const STREAM = /^[\w.-]{1,64}$/
const NATS_PORT = 4222
/** Of a path for datagrams: what IPv4 hosts must take (RFC 791), up to the longest packet. */
const MTU_MIN = 576
const MTU_MAX = 65_535
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
  nats: {
    form: 'nats://host:port/stream',
    read: (rest) => {
      const [, hosts = '', stream, replicas] =
        /^([^/?]+)\/([\w-]{1,64})(?:\?replicas=([1-5]))?$/.exec(rest) ?? []
      const servers = hosts
        .split(',')
        .map((host) => parseHostPort(host, { defaultPort: NATS_PORT }))
        .filter((server) => server !== undefined)
      if (stream === undefined || servers.length < hosts.split(',').length) return undefined
      return {
        kind: 'nats',
        servers,
        stream,
        ...(replicas !== undefined && { replicas: Number(replicas) }),
      }
    },
  },
  'ipfix+udp': {
    form: 'ipfix+udp://host:port',
    read: (rest) => {
      const [, where = '', digits] = /^([^?]*)(?:\?mtu=(\d{1,5}))?$/.exec(rest) ?? []
      const at = parseHostPort(where, { defaultPort: IPFIX_PORT })
      const mtu = digits === undefined ? undefined : Number(digits)
      const isTooSmall = mtu !== undefined && (mtu < MTU_MIN || mtu > MTU_MAX)
      return at === undefined || isTooSmall
        ? undefined
        : { kind: 'ipfix', transport: 'udp', ...at, ...(mtu !== undefined && { mtu }) }
    },
  },
  'ipfix+tcp': {
    form: 'ipfix+tcp://host:port',
    read: (rest) => {
      const at = parseHostPort(rest, { defaultPort: IPFIX_PORT })
      return at && { kind: 'ipfix', transport: 'tcp', ...at }
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
    `'${url}' is not a destination: give it as ${forms.join(', ').replace(/, ([^,]*)$/, ' or $1')}`,
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
    case 'nats':
      return `nats://${place.servers.map(formatHostPort).join(',')}/${place.stream}`
    case 'ipfix':
      return `ipfix+${place.transport}://${formatHostPort(place)}`
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
