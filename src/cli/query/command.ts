import { type Command, Option } from 'commander'
import { HELP_WIDTH, wrapped } from '../../terminal/text-width.js'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import { addLifetimeOptions } from '../lifetime-options.js'
import { integerBetween, parseSize, parseSort } from '../options.js'
import {
  addOfflineOptions,
  aggregationOption,
  duplicatesOption,
  maxFlowsOption,
  namesOption,
} from '../shared-options.js'
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
    'Which connections were never accepted?',
    'SELECT src_addr, dst_addr, dst_port, count(*) AS attempts FROM flows WHERE protocol = 6 AND tcp_flags & 2 = 2 AND tcp_flags & 16 = 0 GROUP BY ALL ORDER BY attempts DESC',
    'x.pcap.gz',
  ],
  [
    'Which services do private addresses use on the Internet?',
    'SELECT coalesce(service_name(protocol, dst_port), dst_port::VARCHAR) AS service, sum(bytes) AS bytes FROM flows WHERE is_private(src_addr) AND NOT is_private(dst_addr) GROUP BY ALL ORDER BY bytes DESC',
    'x.pcap',
  ],
  [
    'Which ports have the most packets in my flow logs?',
    'SELECT dstport, protocol, sum(packets) AS packets FROM records GROUP BY ALL ORDER BY packets DESC LIMIT 20',
    'logs/*.log.gz logs/*.parquet',
  ],
  [
    'Which names did clients look up, and how often without success?',
    "SELECT query, count(*) AS asked, count(*) FILTER (rcode_name <> 'NOERROR') AS failed FROM dns GROUP BY query ORDER BY asked DESC LIMIT 20",
    'x.pcap',
  ],
  [
    'Which mirror sessions have no traffic?',
    'SELECT traffic_mirror_session_id, network_interface_id FROM traffic_mirror_sessions WHERE virtual_network_id NOT IN (SELECT DISTINCT vni FROM packets WHERE vni IS NOT NULL)',
    '--state state.json x.pcap',
  ],
]

const TABLES = `
Tables (only those that the SQL names are filled):
  packets   time, session, vni, source, src_addr, dst_addr, src_port, dst_port,
            protocol, tcp_flags, bytes (as the IP header has it), length (of the
            frame on the wire), captured_length, ether_type, direction (ingress,
            egress), duplicate, fault (why the packet could not be parsed),
            community_id, network_id and endpoint_id (from the GENEVE header of
            Google Cloud; endpoint_id also from a Gateway Load Balancer)
  flows     session, vni, source, src_addr, dst_addr, src_port, dst_port,
            protocol, packets, bytes, first_seen, last_seen, tcp_flags, state,
            direction, src_name, dst_name (from the TLS or QUIC hello or the
            HTTP request of the client, else from DNS), community_id (version 1)
  pairs     both directions of a connection in one row, as in Zeek's conn.log:
            session, vni, source, orig_addr, resp_addr, orig_port,
            resp_port, protocol, orig_packets, resp_packets, orig_bytes,
            resp_bytes, first_seen, last_seen, duration (seconds),
            orig_tcp_flags, resp_tcp_flags, state, conn_state, history,
            handshake_seconds, orig_payload_bytes, resp_payload_bytes,
            orig_retransmissions, resp_retransmissions, missed_bytes (not in
            the capture), direction, orig_name, resp_name, community_id
  records   VPC flow log records: AWS's fields of versions 2 to 5 (account_id,
            srcaddr, "end" …), from captures and from flow logs
  dns       a question and its answer in one row, as in Zeek's dns.log, with
            mDNS and LLMNR: ts, session, vni, source, orig_h, orig_p, resp_h,
            resp_p, proto, trans_id, rtt (seconds), query, qclass_name,
            qtype_name, rcode_name, AA, TC, RD, RA, answers, TTLs
  tls       both hellos of a connection, as in Zeek's ssl.log: ts … resp_p,
            version, cipher, curve, server_name, next_protocol, client_version
            (the latest that it offers), client_alpn, ja4
  quic      the TLS client hello of a QUIC connection: ts … resp_p, version,
            server_name, client_protocol, ja4
  http      a request and its response, as in Zeek's http.log: ts … resp_p,
            trans_depth, method, host, uri, referrer, version, user_agent,
            status_code, status_msg, resp_mime_type
  ssh       how a connection begins, as in Zeek's ssh.log: ts … resp_p, version,
            client, server (their first lines)
  smtp      how a connection begins: ts … resp_p, helo (what the client calls
            itself), banner (the first line of the server)
  kerberos  a request for a ticket and its answer, as in Zeek's kerberos.log:
            ts … resp_p, request_type, client, service, success, error_msg
  ntlm      who logs on to SMB by NTLM, as in Zeek's ntlm.log: ts … resp_p,
            username, hostname, domainname, server_nb_computer_name,
            server_dns_computer_name, server_tree_name
  smb_mapping
            shares of SMB 2 and 3, as in Zeek's smb_mapping.log: ts … resp_p,
            path, share_type
  traffic_mirror_sessions
            from --state: description, network_interface_id, owner_id,
            packet_length, session_number, tags, traffic_mirror_filter_id,
            traffic_mirror_session_id, traffic_mirror_target_id,
            virtual_network_id

Functions in addition to those of DuckDB:
  in_cidr(address, cidr)        whether an IPv4 or IPv6 address is in a network:
                                in_cidr(src_addr, '10.0.0.0/8')
  is_private(address)           whether an address is private (RFC 1918, RFC
                                4193), loopback or link-local
  service_name(protocol, port)  the name that IANA registered for a port, such
                                as https: service_name(protocol, dst_port)
They return NULL for NULL, for text that is not an address and for ports without
a name.

The type of a file is recognized by its first bytes, also inside gzip and zstd.
A flow log may be lines with a header, in the default format or in that of
--log-format; JSON that flow-log wrote; CSV with a column for each field, as
from Athena; or what CloudWatch Logs and Firehose make of records: exports to
S3, the JSON of get-log-events, filter-log-events, Logs Insights and
subscriptions, CSV of the console, {"message":"2 …"}; or JSON that others wrap
records in, such as Fluent Bit, Splunk and Lambda. The table records has all
flow logs and Parquet files; FROM 'a.log' reads a single one. The SQL can read
only the files named on the command line, cannot use the network or extensions,
and changes nothing.
`

/** `mirrortap query`: SQL over captures and flow logs. */
export function addQuery(program: Command): void {
  const command = program
    .command('query')
    .summary('query captures, flow logs and Parquet with SQL (DuckDB)')
    .description(
      'Answers a SELECT over capture files (pcap, pcapng), flow logs and Parquet (gzip, zstd; - is ' +
        'standard input). DuckDB runs inside this process; npm install @duckdb/node-api installs it.',
    )
    .argument('<sql>', 'one SELECT statement of DuckDB')
    .argument('[file...]', 'capture files, flow logs and Parquet files')
    .addOption(
      new Option(
        '--format <format>',
        'format of the answer (default: from the name of --output, else table)',
      ).choices(['table', 'csv', 'json', 'parquet']),
    )
    .option('-o, --output <file>', 'file to write the answer to; - is standard output', '-')
    .option('--vertical', 'print each row as lines, one for each column')
    .option(
      '--sort <column>',
      'sort the answer by this column, largest numbers first and text from A to Z; :asc or :desc after the name sets the order (default: as the SQL has it)',
      parseSort,
    )
    .option(
      '--top <number>',
      'keep only this many rows of the answer (default: all)',
      integerBetween(1, 2 ** 31 - 1),
    )
    .option(
      '--from <url>',
      'also read the flow log records that listen --deliver sent to this NATS stream before now: nats://host:port/stream (default: none)',
    )
    .option(
      '--log-format <format>',
      "fields of flow logs without a header, spelled as AWS does: '${srcaddr} ${dstaddr} …' (default: those of version 2)",
    )
    .option(
      '--state <file>',
      'state file of listen, for the table traffic_mirror_sessions (default: none)',
    )
    .addOption(aggregationOption())
    .addOption(maxFlowsOption('the oldest flows are ended early', 4_194_304))
    .addOption(
      new Option('--memory-limit <size>', 'memory that tables and the query may use')
        .argParser(parseSize)
        .default(parseSize('1GiB'), '1GiB'),
    )
    .addOption(
      new Option(
        '--temporary-limit <size>',
        'disk space, in a temporary directory, for what does not fit in memory',
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
