import { deepStrictEqual, ok } from 'node:assert'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError, Option } from 'commander'
import { matchesWildcard } from '../../../src/api/ec2/wildcard.js'
import { readPageToken } from '../../../src/api/page-token.js'
import { parseCredentials, parseProfiles } from '../../../src/aws/sigv4/credentials.js'
import { parseShorthand } from '../../../src/cli/flows/shorthand.js'
import { applyConfig } from '../../../src/cli/listen/config.js'
import {
  FILTERS_KEY,
  filtersIn,
  RESOURCE_KEYS,
  resourcesIn,
} from '../../../src/cli/listen/config-resources.js'
import {
  parseDestination,
  parseDuration,
  parseInterfaceId,
  parseMoment,
  parsePort,
  parseSize,
  parseTime,
} from '../../../src/cli/options.js'
import { readSessionFile } from '../../../src/control/declared-resources.js'
import { YamlFile } from '../../../src/control/yaml-file.js'
import { parsePlace, placeName } from '../../../src/deliver/delivery-url.js'
import { ExpressionFilter } from '../../../src/filter/expression-filter.js'
import { parseFlowFilters } from '../../../src/flow/flow-filter.js'
import { parseLogFormat } from '../../../src/flowlog/log-format.js'
import { TRANSIT_GATEWAY_FIELDS } from '../../../src/flowlog/transit-gateway-fields.js'
import { formatAddress, parseAddress, parseCidr, parseMac } from '../../../src/wire/address.js'
import { parseHostPort } from '../../../src/wire/host-port.js'
import type { FuzzTarget } from '../target.js'

const SAMPLES = fileURLToPath(new URL('../../../samples/', import.meta.url))
const sample = (name: string): Buffer => readFileSync(join(SAMPLES, name))
const texts = (...all: readonly string[]): Buffer[] => all.map((text) => Buffer.from(text))

const CONFIG = `port: 4789
capture-dir: /var/lib/a
rotate-size: 64MiB
no-api: true
filters:
  - vni: 7
    filter: tcp port 443
  - { session: tms-web, filter: 'udp[0:2] = 53' }
interfaces:
  - NetworkInterfaceId: eni-00000000000000001
    PrivateIpAddresses: [10.0.0.1]
    SubnetId: subnet-00000000000000001
    VpcId: vpc-00000000000000001
    TagSet: [{ Key: a, Value: b }]
TrafficMirrorFilters: &f
  - TrafficMirrorFilterId: tmf-00000000000000001
    IngressFilterRules:
      - { RuleNumber: 1, RuleAction: accept, SourceCidrBlock: 0.0.0.0/0, DestinationCidrBlock: 10.0.0.0/8 }
FlowLogs:
  - { FlowLogId: fl-00000000000000001, ResourceId: vpc-00000000000000001, LogFormat: '\${version}' }
`

function configured(): Command {
  return new Command('listen')
    .option('--port <number>', 'a number', parsePort, 4789)
    .option('--rotate-size <size>', 'a size', parseSize, 1)
    .option('--capture-dir <dir>', 'a text')
    .option('--no-api', 'a switch that is on')
    .addOption(new Option('--receiver <name>', '').choices(['auto', 'dgram']).default('auto'))
    .parse([], { from: 'user' })
}

/** What takes one word of a command line, a URL or a request. The first byte of an input picks one. */
const WORD_PARSERS: readonly ((text: string) => unknown)[] = [
  parseSize,
  parseDuration,
  parseMoment,
  parseTime,
  parseDestination,
  parseInterfaceId,
  parseCidr,
  parseMac,
  (text) => parseHostPort(text, { defaultPort: 1 }),
  (text) => {
    const words = parseAddress(text)
    if (words === undefined) return
    const again = parseAddress(formatAddress(words[0]!, words[1]!, words[2]!, words[3]!))
    deepStrictEqual(again, words)
  },
  (text) => readPageToken('a', text),
  (text) => matchesWildcard(text, text.repeat(3)),
  (text) => matchesWildcard(`*${text}*`, 'a'.repeat(200)),
]

export const TEXT_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'filter',
    samples: texts(
      'tcp port 443 and not (src net 10.0.0.0/8 or dst host 2001:db8::1)',
      'udp[0:2] = 53 && ip[8] & 0xf0 > 3 or ether host 02:00:00:00:00:01',
      'vni 7 and session tms-web or vlan 3 and portrange 1-1024',
      'ip proto \\tcp and len >= 60 or icmp6 or ip6[6] == 17 and greater 100',
      'tcp[tcpflags] & (tcp-syn|tcp-ack) != 0 and ether[12:2] - 1 < 0x800 * 2',
    ),
    words: ['and ', 'or ', 'not ', '(', ')', '[', ']', ' 0x', '&', '<<', 'port ', 'net ', 'mask '],
    inputs: 150,
    run: (bytes) => new ExpressionFilter(bytes.toString()).text,
  },
  {
    name: 'log-format',
    samples: texts('${version} ${srcaddr} ${tcp-flags}', '${tgw-id} ${resource-type}', 'version'),
    words: ['${', '}', ' ', '${version}', '__proto__', '${constructor}'],
    inputs: 150,
    run(bytes) {
      const text = bytes.toString()
      const isOfGateway = text.includes('tgw')
      const format = parseLogFormat(text, isOfGateway ? TRANSIT_GATEWAY_FIELDS : undefined)
      ok(format.fields.length > 0)
    },
  },
  {
    name: 'words',
    samples: texts(
      '64MiB',
      '1h30m',
      '2026-03-01T12:00:00.123456789Z',
      '10m ago',
      '[2001:db8::1]:4789',
      'eni-0123456789abcdef0',
      '10.0.0.0/8',
      '02:00:00:00:00:01',
      'a.example:1',
      '::ffff:10.0.0.1',
      'AAAA',
      'a*b?c\\*',
    ).map((text, index) => Buffer.concat([Buffer.of(index), text])),
    words: ['*', '?', '::', '1e9', '-', '.', '/0', 'Infinity', 'NaN', '0x1'],
    inputs: 400,
    isRefusal: (error) => error instanceof InvalidArgumentError,
    run: (bytes) => WORD_PARSERS[(bytes[0] ?? 0) % WORD_PARSERS.length]!(bytes.toString('utf8', 1)),
  },
  {
    name: 'delivery-url',
    samples: texts(
      's3://bucket/prefix',
      'cloudwatch-logs://group',
      'firehose://stream',
      'nats://a:4222,b/stream?replicas=3',
      'ipfix+udp://[::1]:4739?mtu=1400',
      'ipfix+tcp://collector',
    ),
    inputs: 150,
    run(bytes) {
      const name = placeName(parsePlace(bytes.toString()))
      deepStrictEqual(placeName(parsePlace(name)), name)
    },
  },
  {
    name: 'flow-filters',
    samples: texts(
      'SourceAddress={AddressDefinition=10.0.0.0/8},Protocols=6,17 DestinationPort=443',
      '[{"SourceAddress":{"AddressDefinition":"10.0.0.0/8"},"Protocols":["6"]}]',
    ),
    words: ['=', '{', '}', '[', ']', ',', '"', 'Protocols=', '__proto__='],
    inputs: 150,
    run(bytes) {
      const text = bytes.toString()
      const values = parseShorthand(text)
      if (typeof values !== 'string') parseFlowFilters(values)
      let json: unknown
      try {
        json = JSON.parse(text)
      } catch {
        return
      }
      parseFlowFilters(json)
    },
  },
  {
    name: 'configuration',
    samples: [Buffer.from(CONFIG), sample('session-web.yaml')],
    words: [
      '*f',
      '&f ',
      '<<: ',
      '{',
      '}',
      '[',
      ']',
      '? ',
      '!!binary ',
      '~',
      '.inf',
      '"',
      '- ',
      '\t',
    ],
    inputs: 25,
    run(bytes) {
      const config = new YamlFile('mirrortap.yaml', bytes.toString())
      const steps = [
        () => applyConfig(configured(), config, [...RESOURCE_KEYS, FILTERS_KEY]),
        () => resourcesIn(config),
        () => filtersIn(config),
      ]
      // Each takes what it takes of the file, whatever another says of it.
      let refusal: unknown
      for (const step of steps) {
        try {
          step()
        } catch (error) {
          if ((error as Error).name !== 'OperatorError') throw error
          refusal = error
        }
      }
      if (refusal !== undefined) throw refusal
    },
  },
  {
    name: 'session-file',
    samples: ['web', 'dns', 'headers'].map((name) => sample(`session-${name}.yaml`)),
    words: ['*f', '&f ', '<<: ', '{', '}', '- ', 'null', '-1', '!!set '],
    inputs: 20,
    usesFiles: true,
    run(bytes, directory) {
      const path = join(directory, 'session.yaml')
      writeFileSync(path, bytes)
      readSessionFile(path)
    },
  },
  {
    name: 'credentials',
    samples: texts(
      '[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = abc\n',
      '\ufeff[a]\r\naws_access_key_id=A ; b\r\naws_secret_access_key=b\r\naws_session_token = c # d\r\n',
    ),
    words: ['[', ']', '=', '#', '\n', 'aws_access_key_id', '__proto__ = 1'],
    inputs: 300,
    run(bytes) {
      const text = bytes.toString()
      const profiles = parseProfiles(text, 'credentials')
      for (const { accessKeyId, secretAccessKey } of profiles) {
        ok(accessKeyId !== '' && secretAccessKey !== '')
      }
      deepStrictEqual(parseCredentials(text, 'credentials').size, profiles.length)
    },
  },
]
