import { type Command, Option } from 'commander'
import { HELP_WIDTH, wrapped } from '../../terminal/text-width.js'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import { addLifetimeOptions } from '../lifetime-options.js'
import { addOfflineOptions } from '../offline-options.js'
import { duplicatesOption, integerBetween, namesOption, parseSize, parseSort } from '../options.js'
import type { QueryCliOptions } from './options.js'

/** What people ask, with the files they ask it of; test/cli/query.test.ts asks them too. */
export const EXAMPLES: readonly (readonly [what: string, sql: string, files: string])[] = [
  [
    'Who sends the most?',
    'SELECT src_addr, sum(bytes) AS bytes FROM flows GROUP BY 1 ORDER BY 2 DESC LIMIT 10',
    'x.pcap',
  ],
  [
    'How much a minute, by session?',
    'SELECT time_bucket(INTERVAL 1 minute, time) AS minute, session, count(*) AS packets, sum(bytes) AS bytes FROM packets GROUP BY ALL ORDER BY ALL',
    'mirrored-*.pcap',
  ],
  [
    'Who was refused, or never answered?',
    'SELECT src_addr, dst_addr, dst_port, count(*) AS attempts FROM flows WHERE protocol = 6 AND tcp_flags & 2 = 2 AND tcp_flags & 16 = 0 GROUP BY ALL ORDER BY attempts DESC',
    'x.pcap.gz',
  ],
  [
    'What do private addresses ask of the Internet?',
    'SELECT coalesce(service_name(protocol, dst_port), dst_port::VARCHAR) AS service, sum(bytes) AS bytes FROM flows WHERE is_private(src_addr) AND NOT is_private(dst_addr) GROUP BY ALL ORDER BY bytes DESC',
    'x.pcap',
  ],
  [
    'Which ports do my flow logs know?',
    'SELECT dstport, protocol, sum(packets) AS packets FROM records GROUP BY ALL ORDER BY packets DESC LIMIT 20',
    'logs/*.log.gz logs/*.parquet',
  ],
  [
    'Which names did clients ask for, and how often in vain?',
    "SELECT query, count(*) AS asked, count(*) FILTER (rcode_name <> 'NOERROR') AS failed FROM dns GROUP BY query ORDER BY asked DESC LIMIT 20",
    'x.pcap',
  ],
  [
    'Which sessions does nobody see traffic of?',
    'SELECT traffic_mirror_session_id, network_interface_id FROM traffic_mirror_sessions WHERE virtual_network_id NOT IN (SELECT DISTINCT vni FROM packets WHERE vni IS NOT NULL)',
    '--state state.json x.pcap',
  ],
]

const TABLES = `
Tables, filled as far as the SQL names them:
  packets   time, session, vni, source, src_addr, dst_addr, src_port, dst_port,
            protocol, tcp_flags, bytes (by the IP header), length (of the frame
            on the wire), captured_length, ether_type, direction (ingress,
            egress), duplicate, fault (why it could not be read), community_id,
            network_id and endpoint_id (of GENEVE, from Google Cloud; the
            endpoint of a Gateway Load Balancer too)
  flows     session, vni, source, src_addr, dst_addr, src_port, dst_port,
            protocol, packets, bytes, first_seen, last_seen, tcp_flags, state,
            direction, src_name, dst_name (what the client named in its hello
            or request, else asked DNS for), community_id (version 1)
  pairs     both directions of a connection in one row, as in conn.log of
            Zeek: session, vni, source, orig_addr, resp_addr, orig_port,
            resp_port, protocol, orig_packets, resp_packets, orig_bytes,
            resp_bytes, first_seen, last_seen, duration (seconds),
            orig_tcp_flags, resp_tcp_flags, state, conn_state, history,
            handshake_seconds, orig_payload_bytes, resp_payload_bytes,
            orig_retransmissions, resp_retransmissions, missed_bytes (that
            the capture lacks), direction, orig_name, resp_name, community_id
  records   VPC flow log records: AWS's fields of versions 2 to 5 (account_id,
            srcaddr, "end" …), from captures and from flow logs
  dns       a question and its answer in one row, as in dns.log of Zeek, mDNS and
            LLMNR too: ts, session, vni, source, orig_h, orig_p, resp_h, resp_p,
            proto, trans_id, rtt (seconds), query, qclass_name, qtype_name,
            rcode_name, AA, TC, RD, RA, answers, TTLs
  tls       both hellos of a connection, as in ssl.log: ts … resp_p, version,
            cipher, curve, server_name, next_protocol, client_version (the
            latest it offers), client_alpn, ja4
  quic      the hello of a QUIC client: ts … resp_p, version, server_name,
            client_protocol, ja4
  http      a request and its response, as in http.log: ts … resp_p,
            trans_depth, method, host, uri, referrer, version, user_agent,
            status_code, status_msg, resp_mime_type
  traffic_mirror_sessions
            of --state: description, network_interface_id, owner_id,
            packet_length, session_number, tags, traffic_mirror_filter_id,
            traffic_mirror_session_id, traffic_mirror_target_id,
            virtual_network_id

Functions besides those of DuckDB:
  in_cidr(address, cidr)        in_cidr(src_addr, '10.0.0.0/8'); IPv4 and IPv6
  is_private(address)           RFC 1918, RFC 4193, loopback and link-local
  service_name(protocol, port)  service_name(protocol, dst_port): https, domain;
                                names of IANA's registry, as in /etc/services
They are NULL for NULL, for what is no address and for ports without a name.

What a file is, its first bytes tell, also within gzip and zstd: a capture, Parquet
or a flow log. Flow logs have a header, the default format or that of --log-format,
as lines or as CloudWatch Logs and Firehose give them: exports to S3 (a time before
each record), JSON of get-log-events, filter-log-events, Logs Insights and
subscriptions, CSV of the console, {"message":"2 …"}; or are JSON that flow-log
wrote. All flow logs and Parquet are in records; one alone is a table by its
name: FROM 'a.log'. SQL reads what is named here and nothing else: no other
file, no network, no extension; and it changes nothing.
`

/** `mirrortap query`: SQL over captures and flow logs. */
export function addQuery(program: Command): void {
  const command = program
    .command('query')
    .summary('SQL (DuckDB) over captures, flow logs and Parquet')
    .description(
      'Answers one SELECT over capture files (pcap, pcapng), flow logs and Parquet (gzip, zstd; - is ' +
        'standard input), with DuckDB in this process (npm install @duckdb/node-api).',
    )
    .argument('<sql>', 'a SELECT')
    .argument('[file...]', 'captures, flow logs, Parquet')
    .addOption(
      new Option(
        '--format <format>',
        'format of the answer (default: by the name of --output, else table)',
      ).choices(['table', 'csv', 'json', 'parquet']),
    )
    .option('-o, --output <file>', 'where to write the answer; - is standard output', '-')
    .option('--vertical', 'print a line for each field instead of a row')
    .option(
      '--sort <column>',
      'sort the answer by this column: numbers descend, others ascend, unless :asc or :desc follows',
      parseSort,
    )
    .option(
      '--top <number>',
      'keep only the first rows of the answer',
      integerBetween(1, 2 ** 31 - 1),
    )
    .option(
      '--from <url>',
      'besides the files, the records that listen --deliver brought to nats://host:port/stream, up to the last one there is at the start',
    )
    .option('--log-format <format>', 'fields of flow logs that have no header')
    .option('--state <file>', 'state file of listen, for the table traffic_mirror_sessions')
    .addOption(
      new Option(
        '--max-aggregation-interval <seconds>',
        'longest time that one record of a capture covers',
      )
        .choices(['60', '600'])
        .default('600'),
    )
    .option(
      '--max-flows <number>',
      'connections in the flow table',
      integerBetween(1, 16_777_216),
      4_194_304,
    )
    .addOption(
      new Option('--memory-limit <size>', 'memory for tables and computations')
        .argParser(parseSize)
        .default(parseSize('1GiB'), '1GiB'),
    )
    .addOption(
      new Option(
        '--temporary-limit <size>',
        'disk space for what does not fit in memory, in a temporary directory',
      )
        .argParser(parseSize)
        .default(parseSize('16GiB'), '16GiB'),
    )
    .addOption(namesOption())
    .addOption(duplicatesOption())
    .addOption(fileModeOption())
  addLifetimeOptions(command)
  addOfflineOptions(command)
    .addHelpText('after', () => TABLES + examplesText())
    .action(async (sql: string, named: string[], options: QueryCliOptions) => {
      applyFileMode(options.fileMode)
      const { capturesNamed } = await import('../offline-input.js')
      const hasInput = named.length > 0 || options.dir !== undefined
      const files = hasInput ? await capturesNamed(named, options) : []
      const { runQuery } = await import('./run.js')
      await runQuery(sql, files, options)
    })
}

function examplesText(): string {
  const lines = EXAMPLES.flatMap(([what, sql, files]) => [
    `  # ${what}`,
    // A shell takes the end of a line for a space in quotes, and for the end of the command after them.
    ...wrapped(`mirrortap query "${sql}" ${files.replaceAll(' ', '\u00a0')}`, HELP_WIDTH - 4).map(
      (line, at) => (at === 0 ? '  ' : '    ') + line.replaceAll('\u00a0', ' '),
    ),
  ])
  return `\nExamples:\n${lines.join('\n')}`
}
