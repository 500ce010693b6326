import type { HttpExchange, TransactionSink } from '../application/transactions.js'
import type { Connection } from '../flow/connection.js'
import type { FlowRow } from '../flow/flow-row.js'
import { visible } from '../visible.js'
import { PROTOCOL_TCP } from '../wire/protocol.js'
import {
  eveDns,
  eveFlow,
  eveHttp,
  eveKrb5,
  eveNetflow,
  eveNtlm,
  eveQuic,
  eveSmbMapping,
  eveSmtp,
  eveSsh,
  eveTls,
} from './eve.js'
import { type ZeekLog, zeekHeader, zeekJson, zeekLine } from './zeek-log.js'
import { CONN, DNS, HTTP, KERBEROS, NTLM, SMB_MAPPING, SMTP, SSH, SSL } from './zeek-logs.js'

export type LogFormat = 'zeek' | 'zeek-json' | 'eve'

/** Takes the lines of a log, each without its newline. */
export type TakeLine = (line: string) => void

/** Rows as lines of the logs of another program. */
export interface Logs {
  /** Undefined where nothing of the packets but flows is asked for. */
  readonly transactions: TransactionSink | undefined
  /** Whether rows of connections are written, or those of flows. */
  readonly arePairs: boolean
  connection(row: Connection): void
  flow(row: FlowRow): void
}

interface LogsOptions {
  readonly format: LogFormat
  /** Of EVE: a row for each connection, not for each of its directions. */
  readonly pairs: boolean
  /** Whether what packets say of applications is written too. */
  readonly applications: boolean
  /** Begins the log of this name, such as `conn`, whose files begin with `header`. */
  readonly open: (name: string, header: string | undefined) => TakeLine
}

export function openLogs({ format, pairs, applications, open }: LogsOptions): Logs {
  if (format === 'eve') {
    const write = open('eve', undefined)
    const put = (event: object): void => write(visible(JSON.stringify(event)))
    return {
      transactions: applications
        ? {
            dns: (row) => eveDns(row).forEach(put),
            tls: (row) => put(eveTls(row)),
            quic: (row) => put(eveQuic(row)),
            http: overTcp((row) => put(eveHttp(row))),
            ssh: (row) => put(eveSsh(row)),
            smtp: (row) => put(eveSmtp(row)),
            kerberos: (row) => eveKrb5(row).forEach(put),
            ntlm: (row) => eveNtlm(row).forEach(put),
            smbMapping: (row) => put(eveSmbMapping(row)),
          }
        : undefined,
      arePairs: pairs,
      connection: (row) => put(eveFlow(row)),
      flow: (row) => put(eveNetflow(row)),
    }
  }
  const isTsv = format === 'zeek'
  const begin = <Row>(log: ZeekLog<Row>): ((row: Row) => void) => {
    const write = open(log.path, isTsv ? zeekHeader(log) : undefined)
    return (row) => write(isTsv ? zeekLine(log, row) : visible(zeekJson(log, row)))
  }
  return {
    connection: begin(CONN),
    transactions: applications
      ? {
          dns: begin(DNS),
          tls: begin(SSL),
          http: overTcp(begin(HTTP)),
          ssh: begin(SSH),
          smtp: begin(SMTP),
          kerberos: begin(KERBEROS),
          ntlm: begin(NTLM),
          smbMapping: begin(SMB_MAPPING),
        }
      : undefined,
    arePairs: true,
    flow: () => undefined,
  }
}

/** SSDP, which is HTTP in datagrams, is in no log of these programs. */
function overTcp(put: (row: HttpExchange) => void): (row: HttpExchange) => void {
  return (row) => {
    if (row.ends.protocol === PROTOCOL_TCP) put(row)
  }
}
