import { describe, expect, test } from 'vitest'
import { parsePlace, placeName, placeOfFlowLog } from '../../src/deliver/delivery-url.js'
import {
  type NamesDestination,
  regionOfDestination,
  takesRecords,
} from '../../src/mirror/flow-log-destination.js'

describe('the place that a URL names', () => {
  test.each([
    {
      url: 'ipfix+udp://collector:2055?mtu=9000',
      place: { kind: 'ipfix', transport: 'udp', host: 'collector', port: 2055, mtu: 9000 },
      name: 'ipfix+udp://collector:2055',
    },
    {
      url: 'ipfix+udp://10.0.0.1',
      place: { kind: 'ipfix', transport: 'udp', host: '10.0.0.1', port: 4739 },
      name: 'ipfix+udp://10.0.0.1:4739',
    },
    {
      url: 'ipfix+tcp://[2001:db8::1]:99',
      place: { kind: 'ipfix', transport: 'tcp', host: '2001:db8::1', port: 99 },
      name: 'ipfix+tcp://[2001:db8::1]:99',
    },
    {
      url: 'nats://10.0.0.1,[::1]:99/flows-1?replicas=2',
      place: {
        kind: 'nats',
        servers: [
          { host: '10.0.0.1', port: 4222 },
          { host: '::1', port: 99 },
        ],
        stream: 'flows-1',
        replicas: 2,
      },
      name: 'nats://10.0.0.1:4222,[::1]:99/flows-1',
    },
  ])('$url', ({ url, place, name }) => {
    expect(parsePlace(url)).toEqual(place)
    expect(placeName(parsePlace(url))).toBe(name)
  })

  test.each([
    ['ipfix+udp://host:0', 'ipfix+udp://host:port'],
    ['ipfix+udp://host:99?mtu=100', 'ipfix+udp://host:port'],
    ['ipfix+tcp://host:99?mtu=1500', 'ipfix+tcp://host:port'],
    ['nats://host', 'nats://host:port/stream'],
    ['nats://host,:1/flows', 'nats://host:port/stream'],
    ['nats://host/a.b', 'nats://host:port/stream'],
    ['nats://host/flows?replicas=9', 'nats://host:port/stream'],
    ['ipfix+tcp://', 'ipfix+tcp://host:port'],
    ['ipfix://host', 's3://bucket/prefix, cloudwatch-logs://group'],
  ])('%s is none, and what is expected is said', (url, form) => {
    expect(() => parsePlace(url)).toThrow(`'${url}' is not a destination: give it as ${form}`)
  })
})

describe('the place that a flow log names', () => {
  test.each([
    ['arn:aws:logs:eu-west-1:111122223333:log-group:/vpc/flows:*', 'eu-west-1'],
    ['arn:aws-cn:firehose:cn-north-1:111122223333:deliverystream/s', 'cn-north-1'],
    ['arn:aws:s3:::bucket/eu-west-1', undefined],
    [undefined, undefined],
  ])('%s is in the region %s', (destination, region) => {
    const flowLog = { destinationType: 's3', destination, logGroupName: undefined } as const
    expect(regionOfDestination(flowLog)).toBe(region)
  })

  test.each<{ flowLog: Partial<NamesDestination>; name: string | undefined }>([
    { flowLog: { destination: 'arn:aws:s3:::bucket/a/b/' }, name: 's3://bucket/a/b' },
    { flowLog: { destinationType: 's3' }, name: undefined },
    {
      flowLog: { destinationType: 'cloud-watch-logs', logGroupName: '/a/b' },
      name: 'cloudwatch-logs:///a/b',
    },
    {
      flowLog: {
        destinationType: 'cloud-watch-logs',
        destination: 'arn:aws-cn:logs:cn-north-1:123456789012:log-group:/a/b:*',
      },
      name: 'cloudwatch-logs:///a/b',
    },
    // As a configuration may have it: nobody would empty its queue.
    { flowLog: { destinationType: 'cloud-watch-logs' }, name: undefined },
    {
      flowLog: { destinationType: 'cloud-watch-logs', destination: 'arn:aws:s3:::bucket' },
      name: undefined,
    },
    ...[':', '/'].map((between) => ({
      flowLog: {
        destinationType: 'kinesis-data-firehose' as const,
        destination: `arn:aws:firehose:us-east-1:123456789012:deliverystream${between}a.b_c`,
      },
      name: 'firehose://a.b_c',
    })),
    { flowLog: { destinationType: 'kinesis-data-firehose' }, name: undefined },
  ])('$flowLog is $name, and has a queue where it takes records', ({ flowLog, name }) => {
    const whole: NamesDestination = {
      destinationType: 's3',
      destination: undefined,
      logGroupName: undefined,
      ...flowLog,
    }
    const place = placeOfFlowLog(whole)
    expect(place && placeName(place)).toBe(name)
    expect(takesRecords(whole)).toBe(name !== undefined && !name.startsWith('s3:'))
    if (name !== undefined) expect(parsePlace(name)).toEqual(place)
  })
})
