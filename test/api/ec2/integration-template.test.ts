import {
  CreateFlowLogsCommand,
  type CreateFlowLogsCommandInput,
  EC2Client,
  GetFlowLogsIntegrationTemplateCommand,
  type PartitionLoadFrequency,
} from '@aws-sdk/client-ec2'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import type { PutRefusal } from '../../../src/api/ec2/operation.js'
import { ec2Actions } from '../../../src/api/ec2/operations.js'
import { ControlPlane } from '../../../src/control/control-plane.js'
import { ACCOUNT, ALICE, REGION, startApi } from '../running-api.js'
import { SOURCE } from './ec2-house.js'

async function start(refusal?: PutRefusal) {
  const objects: { bucket: string; key: string; body: string }[] = []
  const plane = await ControlPlane.open({ onProblem: (line) => expect.unreachable(line) })
  const { url } = await startApi({
    ec2: ec2Actions(plane, {
      putObject: async (object) => {
        objects.push(object)
        return refusal
      },
    }),
  })
  const ec2 = new EC2Client({ endpoint: url, region: REGION, credentials: ALICE, maxAttempts: 1 })
  onTestFinished(() => ec2.destroy())
  const flowLog = async (of: Partial<CreateFlowLogsCommandInput>): Promise<string> => {
    const made = await ec2.send(
      new CreateFlowLogsCommand({
        ResourceIds: [SOURCE],
        ResourceType: 'NetworkInterface',
        TrafficType: 'ALL',
        LogDestinationType: 's3',
        LogDestination: 'arn:aws:s3:::logs/site/',
        ...of,
      }),
    )
    return made.FlowLogIds![0]!
  }
  const template = (
    FlowLogId: string,
    frequency: PartitionLoadFrequency = 'daily',
    days: { from?: string; until?: string } = { from: '2026-11-02' },
  ) =>
    ec2.send(
      new GetFlowLogsIntegrationTemplateCommand({
        FlowLogId,
        ConfigDeliveryS3DestinationArn: 'arn:aws:s3:::templates/athena/',
        IntegrateServices: {
          AthenaIntegrations: [
            {
              IntegrationResultS3DestinationArn: 'arn:aws:s3:::results',
              PartitionLoadFrequency: frequency,
              PartitionStartDate: days.from === undefined ? undefined : new Date(days.from),
              PartitionEndDate: days.until === undefined ? undefined : new Date(days.until),
            },
          ],
        },
      }),
    )
  return { objects, flowLog, template }
}

interface Column {
  readonly Name: string
  readonly Type: string
}

interface Properties {
  readonly TableInput: {
    readonly PartitionKeys: Column[]
    readonly Parameters: Record<string, string>
    readonly StorageDescriptor: { readonly Columns: Column[]; readonly Location: string }
  }
  readonly QueryString: string
}

/** The template that was written last, as CloudFormation reads it. */
function resourcesIn(objects: readonly { body: string }[]) {
  const { AWSTemplateFormatVersion, Resources } = parse(objects.at(-1)!.body)
  expect(AWSTemplateFormatVersion).toBe('2010-09-09')
  return Resources as Record<string, { Type: string; Properties: Properties }>
}

describe('GetFlowLogsIntegrationTemplate', () => {
  test('writes a template whose table and partitions are those of the flow log', async () => {
    const { objects, flowLog, template } = await start()
    const id = await flowLog({})
    const { Result } = await template(id)
    const { bucket, key } = objects[0]!
    expect(bucket).toBe('templates')
    expect(key).toMatch(
      new RegExp(`^athena/VPCFlowLogsIntegrationTemplate_${id}_\\w{3} .* UTC \\d{4}\\.yml$`),
    )
    const path = new URL(Result!).pathname
    expect(decodeURIComponent(path.slice(1))).toBe(key)
    expect(new URL(Result!).host).toBe(`templates.s3.${REGION}.amazonaws.com`)

    const { VpcFlowLogsAthenaTable: table, ...others } = resourcesIn(objects)
    const { TableInput } = table!.Properties
    const { StorageDescriptor, Parameters, PartitionKeys } = TableInput
    const { Columns, Location } = StorageDescriptor
    expect(Columns.map(({ Name, Type }) => `${Name} ${Type}`)).toEqual([
      ...['version int', 'account_id string', 'interface_id string', 'srcaddr string'],
      ...['dstaddr string', 'srcport int', 'dstport int', 'protocol int', 'packets bigint'],
      ...['bytes bigint', 'start bigint', 'end bigint', 'action string', 'log_status string'],
    ])
    const root = `s3://logs/site/AWSLogs/${ACCOUNT}/vpcflowlogs/${REGION}/`
    expect(Location).toBe(root)
    expect(PartitionKeys).toEqual([{ Name: 'date', Type: 'string' }])
    expect(Parameters).toMatchObject({
      'skip.header.line.count': '1',
      'projection.enabled': 'true',
      'projection.date.type': 'date',
      'projection.date.format': 'yyyy/MM/dd',
      'projection.date.range': '2026/11/02,NOW',
      'storage.location.template': `${root}\${date}`,
    })
    const types = Object.values(others).map(({ Type }) => Type)
    expect(new Set(types)).toEqual(
      new Set(['AWS::Glue::Database', 'AWS::Athena::WorkGroup', 'AWS::Athena::NamedQuery']),
    )
    expect(Object.keys(others)).toContain('VpcFlowLogsTopTalkers')
    // What its fields do not tell cannot be asked.
    expect(Object.keys(others)).not.toContain('VpcFlowLogsTopTalkingInstances')
  })

  test.each([
    {
      options: { FileFormat: 'parquet', HiveCompatiblePartitions: true, PerHourPartition: true },
      keys: ['year', 'month', 'day', 'hour'],
      ends: `aws-account-id=${ACCOUNT}/aws-service=vpcflowlogs/aws-region=${REGION}/year=\${year}/month=\${month}/day=\${day}/hour=\${hour}`,
      has: { 'projection.year.range': '2026,2026', 'projection.hour.digits': '2' },
    },
    {
      options: {
        FileFormat: 'plain-text',
        HiveCompatiblePartitions: false,
        PerHourPartition: true,
      },
      keys: ['date', 'hour'],
      ends: `/\${date}/\${hour}`,
      has: { 'projection.date.range': '2026/11/01,2026/11/05', 'projection.hour.range': '00,23' },
    },
  ] as const)('follows the layout $keys', async ({ options, keys, ends, has }) => {
    const { objects, flowLog, template } = await start()
    const LogFormat = '${instance-id} ${subnet-id} ${pkt-srcaddr} ${pkt-dstaddr} ${bytes} ${bytes}'
    const id = await flowLog({ DestinationOptions: options, LogFormat })
    await template(id, 'none', { from: '2026-11-01', until: '2026-11-05' })
    const resources = resourcesIn(objects)
    const { TableInput } = resources['VpcFlowLogsAthenaTable']!.Properties
    const { StorageDescriptor, Parameters, PartitionKeys } = TableInput
    expect(PartitionKeys.map(({ Name }) => Name)).toEqual(keys)
    expect(Parameters).toMatchObject(has)
    const place = Parameters['storage.location.template']!
    expect(place.endsWith(ends)).toBe(true)
    const isParquet = options.FileFormat === 'parquet'
    expect(JSON.stringify(StorageDescriptor).includes('ParquetHiveSerDe')).toBe(isParquet)
    const { Columns } = StorageDescriptor
    const names = Columns.map(({ Name }) => Name)
    expect(names.slice(4)).toEqual(isParquet ? ['bytes'] : ['bytes', 'bytes_2'])
    const query = resources['VpcFlowLogsTopTalkersPacketLevel']!.Properties.QueryString
    const suffix = id.replace('-', '')
    const from = `FROM "vpcflowlogsathenadatabase${suffix}"."${suffix}"`
    expect(query).toBe(
      `SELECT address, sum(bytes) AS total_bytes FROM (SELECT pkt_srcaddr AS address, bytes ${from} UNION ALL SELECT pkt_dstaddr AS address, bytes\n${from})\nGROUP BY address\nORDER BY total_bytes DESC LIMIT 50`,
    )
  })

  test('refuses what Athena could not read, days that are none, and says what S3 refused', async () => {
    const { flowLog, template, objects } = await start()
    const elsewhere = await flowLog({
      LogDestinationType: 'kinesis-data-firehose',
      LogDestination: `arn:aws:firehose:${REGION}:${ACCOUNT}:deliverystream/s`,
    })
    await expect(template(elsewhere)).rejects.toMatchObject({ name: 'InvalidParameter' })
    const id = await flowLog({})
    await expect(template(id, 'none', {})).rejects.toMatchObject({ name: 'MissingParameter' })
    const backwards = { from: '2026-11-05', until: '2026-11-01' }
    await expect(template(id, 'none', backwards)).rejects.toMatchObject({
      name: 'InvalidParameterValue',
    })
    expect(objects).toEqual([])

    const other = await start({ kind: 'Access error', message: 'AccessDenied: no' })
    await expect(other.template(await other.flowLog({}))).rejects.toMatchObject({
      name: 'LogDestinationPermissionIssue',
      message: 'templates: AccessDenied: no',
    })
  })
})
