import { join } from 'node:path/posix'
import { columnOf, typeOf } from './ddl.js'
import type { Field } from './fields.js'

/** What of a flow log decides how Athena reads its files. */
export interface AthenaTable {
  readonly bucket: string
  /** Of the bucket, before `AWSLogs`; empty where there is none. */
  readonly prefix: string
  readonly accountId: string
  readonly region: string
  readonly fields: readonly Field[]
  readonly fileFormat: 'plain-text' | 'parquet'
  readonly hiveCompatiblePartitions: boolean
  readonly perHourPartition: boolean
  /** `s3://bucket/prefix` for the results of queries. */
  readonly results: string
  /** Days with files, the last being today where it is left out. UTC. */
  readonly from: Date
  readonly until: Date | undefined
}

/** As Athena names the formats (User Guide, "Query Amazon VPC flow logs"). */
const SERDES = {
  'plain-text': {
    InputFormat: 'org.apache.hadoop.mapred.TextInputFormat',
    OutputFormat: 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat',
    SerdeInfo: {
      SerializationLibrary: 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe',
      Parameters: { 'field.delim': ' ', 'serialization.format': ' ' },
    },
  },
  parquet: {
    InputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat',
    OutputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat',
    SerdeInfo: {
      SerializationLibrary: 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe',
      Parameters: { 'serialization.format': '1' },
    },
  },
} as const

/** A query under the name that AWS gives it, and what it says of itself. */
interface NamedQuery {
  readonly name: string
  readonly what: string
  /** Fields that the flow log must have. */
  readonly needs: readonly string[]
  readonly where?: string
  readonly select: string
  readonly groupBy?: string
  readonly orderBy?: string
}

const ENDPOINTS = 'srcaddr, dstaddr, srcport, dstport, protocol'
const ENDPOINT_FIELDS = ['srcaddr', 'dstaddr', 'srcport', 'dstport', 'protocol', 'bytes'] as const
const SUM = 'sum(bytes) AS total_bytes'

/** One side of each record, then the other, as `address` with its bytes. */
function bothSides(from: string, to: string): string {
  return `${from} AS address, bytes FROM TABLE UNION ALL SELECT ${to} AS address, bytes`
}

/** VPC User Guide, "Query flow logs using Amazon Athena", predefined queries. */
const QUERIES: readonly NamedQuery[] = [
  {
    name: 'VpcFlowLogsAcceptedTraffic',
    what: 'TCP connections that were allowed',
    needs: [...ENDPOINT_FIELDS, 'action'],
    where: "protocol = 6 AND action = 'ACCEPT'",
    select: `${ENDPOINTS}, ${SUM}`,
    groupBy: ENDPOINTS,
  },
  {
    name: 'VpcFlowLogsAdminPortTraffic',
    what: 'the 10 addresses with the most traffic on administrative web ports',
    needs: ['srcaddr', 'dstport', 'bytes'],
    where: 'dstport IN (8080, 8443, 10000)',
    select: `srcaddr, dstport, ${SUM}`,
    groupBy: 'srcaddr, dstport',
    orderBy: 'total_bytes DESC LIMIT 10',
  },
  {
    name: 'VpcFlowLogsIPv4Traffic',
    what: 'bytes of IPv4',
    needs: ['srcaddr', 'bytes'],
    where: "srcaddr LIKE '%.%'",
    select: SUM,
  },
  {
    name: 'VpcFlowLogsIPv6Traffic',
    what: 'bytes of IPv6',
    needs: ['srcaddr', 'bytes'],
    where: "srcaddr LIKE '%:%'",
    select: SUM,
  },
  {
    name: 'VpcFlowLogsRejectedTCPTraffic',
    what: 'TCP connections that were rejected',
    needs: [...ENDPOINT_FIELDS, 'action'],
    where: "protocol = 6 AND action = 'REJECT'",
    select: `${ENDPOINTS}, ${SUM}`,
    groupBy: ENDPOINTS,
  },
  {
    name: 'VpcFlowLogsRejectedTraffic',
    what: 'traffic that was rejected',
    needs: [...ENDPOINT_FIELDS, 'action'],
    where: "action = 'REJECT'",
    select: `${ENDPOINTS}, ${SUM}`,
    groupBy: ENDPOINTS,
  },
  {
    name: 'VpcFlowLogsSshRdpTraffic',
    what: 'SSH and RDP',
    needs: ENDPOINT_FIELDS,
    where: 'dstport IN (22, 3389) OR srcport IN (22, 3389)',
    select: `${ENDPOINTS}, ${SUM}`,
    groupBy: ENDPOINTS,
  },
  {
    name: 'VpcFlowLogsTopTalkers',
    what: 'the 50 addresses with the most traffic',
    needs: ['srcaddr', 'dstaddr', 'bytes'],
    select: `address, ${SUM} FROM (SELECT ${bothSides('srcaddr', 'dstaddr')}`,
    groupBy: 'address',
    orderBy: 'total_bytes DESC LIMIT 50',
  },
  {
    name: 'VpcFlowLogsTopTalkersPacketLevel',
    what: 'the 50 packet-level addresses with the most traffic',
    needs: ['pkt-srcaddr', 'pkt-dstaddr', 'bytes'],
    select: `address, ${SUM} FROM (SELECT ${bothSides('pkt_srcaddr', 'pkt_dstaddr')}`,
    groupBy: 'address',
    orderBy: 'total_bytes DESC LIMIT 50',
  },
  {
    name: 'VpcFlowLogsTopTalkingInstances',
    what: 'the 50 instances with the most traffic',
    needs: ['instance-id', 'bytes'],
    select: `instance_id, ${SUM}`,
    groupBy: 'instance_id',
    orderBy: 'total_bytes DESC LIMIT 50',
  },
  {
    name: 'VpcFlowLogsTopTalkingSubnets',
    what: 'the 50 subnets with the most traffic',
    needs: ['subnet-id', 'bytes'],
    select: `subnet_id, ${SUM}`,
    groupBy: 'subnet_id',
    orderBy: 'total_bytes DESC LIMIT 50',
  },
  {
    name: 'VpcFlowLogsTopTCPTraffic',
    what: 'TCP by source address',
    needs: ['srcaddr', 'protocol', 'bytes'],
    where: 'protocol = 6',
    select: `srcaddr, ${SUM}`,
    groupBy: 'srcaddr',
    orderBy: 'total_bytes DESC',
  },
  {
    name: 'VpcFlowLogsTotalBytesTransferred',
    what: 'the 50 pairs of addresses with the most bytes',
    needs: ['srcaddr', 'dstaddr', 'bytes'],
    select: `srcaddr, dstaddr, ${SUM}`,
    groupBy: 'srcaddr, dstaddr',
    orderBy: 'total_bytes DESC LIMIT 50',
  },
  {
    name: 'VpcFlowLogsTotalBytesTransferredPacketLevel',
    what: 'the 50 pairs of packet-level addresses with the most bytes',
    needs: ['pkt-srcaddr', 'pkt-dstaddr', 'bytes'],
    select: `pkt_srcaddr, pkt_dstaddr, ${SUM}`,
    groupBy: 'pkt_srcaddr, pkt_dstaddr',
    orderBy: 'total_bytes DESC LIMIT 50',
  },
  {
    name: 'VpcFlowLogsTrafficFrmSrcAddr',
    what: 'traffic from an address: put yours in place of 10.0.0.1',
    needs: ENDPOINT_FIELDS,
    where: "srcaddr = '10.0.0.1'",
    select: `${ENDPOINTS}, ${SUM}`,
    groupBy: ENDPOINTS,
  },
  {
    name: 'VpcFlowLogsTrafficToDstAddr',
    what: 'traffic to an address: put yours in place of 10.0.0.1',
    needs: ENDPOINT_FIELDS,
    where: "dstaddr = '10.0.0.1'",
    select: `${ENDPOINTS}, ${SUM}`,
    groupBy: ENDPOINTS,
  },
]

/**
 * A CloudFormation template as data: an Athena database and, for each table, a work group, the
 * table, which maps the flow log's fields in their order, and the named queries that its fields
 * allow. Which days and hours there are, Athena computes from the names of the objects
 * (partition projection), so that nothing has to load partitions.
 */
export function athenaTemplate(flowLogId: string, tables: readonly AthenaTable[]): object {
  const suffix = flowLogId.replaceAll('-', '')
  const database = `vpcflowlogsathenadatabase${suffix}`
  return {
    AWSTemplateFormatVersion: '2010-09-09',
    Description: `Athena over the flow log ${flowLogId} in ${tables[0]?.bucket}`,
    Resources: {
      VpcFlowLogsAthenaDatabase: {
        Type: 'AWS::Glue::Database',
        Properties: {
          CatalogId: { Ref: 'AWS::AccountId' },
          DatabaseInput: { Name: database },
        },
      },
      ...Object.assign(
        {},
        ...tables.map((table, index) =>
          resourcesOf(table, { database, name: suffix, count: index === 0 ? '' : `${index + 1}` }),
        ),
      ),
    },
  }
}

interface Names {
  readonly database: string
  readonly name: string
  /** Behind the names of the second table's resources and those that follow. */
  readonly count: string
}

function resourcesOf(table: AthenaTable, { database, name: base, count }: Names): object {
  const name = `${base}${count}`
  const { keys, location, projection } = partitionsOf(table)
  const has = new Set(table.fields.map((field) => field.name as string))
  const queries = QUERIES.filter(({ needs }) => needs.every((field) => has.has(field)))
  return {
    [`VpcFlowLogsAthenaTable${count}`]: {
      Type: 'AWS::Glue::Table',
      Properties: {
        CatalogId: { Ref: 'AWS::AccountId' },
        DatabaseName: { Ref: 'VpcFlowLogsAthenaDatabase' },
        TableInput: {
          Name: name,
          TableType: 'EXTERNAL_TABLE',
          PartitionKeys: keys.map((key) => ({ Name: key, Type: 'string' })),
          Parameters: {
            EXTERNAL: 'TRUE',
            ...(table.fileFormat === 'plain-text' && { 'skip.header.line.count': '1' }),
            'projection.enabled': 'true',
            ...projection,
            'storage.location.template': location.template,
          },
          StorageDescriptor: {
            Columns: columnsOf(table),
            Location: location.root,
            ...SERDES[table.fileFormat],
          },
        },
      },
    },
    [`VpcFlowLogsWorkGroup${count}`]: {
      Type: 'AWS::Athena::WorkGroup',
      Properties: {
        Name: `VpcFlowLogsWorkGroup${name}`,
        RecursiveDeleteOption: true,
        WorkGroupConfiguration: {
          EnforceWorkGroupConfiguration: false,
          ResultConfiguration: { OutputLocation: `${table.results}/` },
        },
      },
    },
    ...Object.fromEntries(
      queries.map((query) => [
        query.name + count,
        {
          Type: 'AWS::Athena::NamedQuery',
          DependsOn: `VpcFlowLogsAthenaTable${count}`,
          Properties: {
            Name: query.name,
            Description: query.what,
            Database: { Ref: 'VpcFlowLogsAthenaDatabase' },
            WorkGroup: { Ref: `VpcFlowLogsWorkGroup${count}` },
            QueryString: sqlOf(query, `"${database}"."${name}"`),
          },
        },
      ]),
    ),
  }
}

/** A field that the format names twice is two values of a line, and one column of Parquet. */
function columnsOf({ fields, fileFormat }: AthenaTable): { Name: string; Type: string }[] {
  const seen = new Map<string, number>()
  return fields.flatMap((field) => {
    const times = (seen.get(field.name) ?? 0) + 1
    seen.set(field.name, times)
    if (times > 1 && fileFormat === 'parquet') return []
    const suffix = times === 1 ? '' : `_${times}`
    return { Name: columnOf(field) + suffix, Type: typeOf('athena', field) }
  })
}

function sqlOf({ select, where, groupBy, orderBy }: NamedQuery, table: string): string {
  // A query within has its own source of rows, and the bracket that it opens is closed.
  const isNested = select.includes('FROM (')
  const text = [
    `SELECT ${select.replaceAll('TABLE', table)}`,
    `FROM ${table}${isNested ? ')' : ''}`,
    ...(where === undefined ? [] : [`WHERE ${where}`]),
    ...(groupBy === undefined ? [] : [`GROUP BY ${groupBy}`]),
    ...(orderBy === undefined ? [] : [`ORDER BY ${orderBy}`]),
  ]
  return text.join('\n')
}

/** `2026/11/30`. */
function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10).replaceAll('-', '/')
}

interface Partitions {
  readonly keys: readonly string[]
  readonly location: { readonly root: string; readonly template: string }
  readonly projection: Readonly<Record<string, string>>
}

/** The layout of the objects, as Athena's partition projection says it. */
function partitionsOf(table: AthenaTable): Partitions {
  const { bucket, prefix, accountId, region, perHourPartition, from, until } = table
  const hours = { type: 'integer', range: '00,23', digits: '2' }
  const account = table.hiveCompatiblePartitions
    ? [`aws-account-id=${accountId}`, 'aws-service=vpcflowlogs', `aws-region=${region}`]
    : [accountId, 'vpcflowlogs', region]
  const root = `s3://${join(bucket, prefix, 'AWSLogs', ...account)}`
  const projections: Record<string, Record<string, string>> = table.hiveCompatiblePartitions
    ? {
        year: {
          type: 'integer',
          range: `${from.getUTCFullYear()},${until?.getUTCFullYear() ?? LAST_YEAR}`,
          digits: '4',
        },
        month: { type: 'integer', range: '01,12', digits: '2' },
        day: { type: 'integer', range: '01,31', digits: '2' },
      }
    : {
        date: {
          type: 'date',
          format: 'yyyy/MM/dd',
          range: `${dayOf(from)},${until === undefined ? 'NOW' : dayOf(until)}`,
        },
      }
  if (perHourPartition) projections['hour'] = hours
  const keys = Object.keys(projections)
  const parts = keys.map((key) =>
    table.hiveCompatiblePartitions ? `${key}=\${${key}}` : `\${${key}}`,
  )
  return {
    keys,
    location: { root: `${root}/`, template: `${root}/${parts.join('/')}` },
    projection: Object.fromEntries(
      Object.entries(projections).flatMap(([key, said]) =>
        Object.entries(said).map(([what, value]) => [`projection.${key}.${what}`, value]),
      ),
    ),
  }
}

/** For tables that are to have what is yet to come: integers know no NOW. */
const LAST_YEAR = 2099
