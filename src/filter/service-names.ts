import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'

/** What a name of a service stands for. */
export interface Service {
  readonly port: number
  /** IANA number; undefined where more than one protocol has it. */
  readonly protocol: number | undefined
}

/**
 * Names that `port` takes for numbers, by the protocol that has them: those of IANA's
 * "Service Name and Transport Protocol Port Number Registry" that people type, with
 * the protocols that Debian's /etc/services gives them. A table rather than that
 * file, so that an expression means the same on every machine.
 */

const TCP: Readonly<Record<string, number>> = {
  'ftp-data': 20,
  ftp: 21,
  ssh: 22,
  telnet: 23,
  smtp: 25,
  whois: 43,
  gopher: 70,
  finger: 79,
  http: 80,
  www: 80,
  pop3: 110,
  auth: 113,
  ident: 113,
  nntp: 119,
  epmap: 135,
  'netbios-ssn': 139,
  imap: 143,
  imap2: 143,
  bgp: 179,
  'microsoft-ds': 445,
  smtps: 465,
  submissions: 465,
  exec: 512,
  login: 513,
  shell: 514,
  printer: 515,
  afpovertcp: 548,
  nntps: 563,
  submission: 587,
  ipp: 631,
  rsync: 873,
  'ftps-data': 989,
  ftps: 990,
  telnets: 992,
  imaps: 993,
  pop3s: 995,
  socks: 1080,
  rmiregistry: 1099,
  'ms-sql-s': 1433,
  'cisco-sccp': 2000,
  'iscsi-target': 3260,
  mysql: 3306,
  'ms-wbt-server': 3389,
  svn: 3690,
  sieve: 4190,
  epmd: 4369,
  'xmpp-client': 5222,
  'xmpp-server': 5269,
  postgres: 5432,
  postgresql: 5432,
  amqps: 5671,
  amqp: 5672,
  x11: 6000,
  redis: 6379,
  'syslog-tls': 6514,
  ircd: 6667,
  'ircs-u': 6697,
  'http-alt': 8080,
  webcache: 8080,
  puppet: 8140,
  'bacula-dir': 9101,
  git: 9418,
  'zabbix-agent': 10050,
  'zabbix-trapper': 10051,
}

const UDP: Readonly<Record<string, number>> = {
  bootps: 67,
  bootpc: 68,
  tftp: 69,
  ntp: 123,
  'netbios-ns': 137,
  'netbios-dgm': 138,
  'ptp-event': 319,
  'ptp-general': 320,
  isakmp: 500,
  route: 520,
  router: 520,
  'dhcpv6-client': 546,
  'dhcpv6-server': 547,
  'asf-rmcp': 623,
  'ms-sql-m': 1434,
  l2f: 1701,
  l2tp: 1701,
  'ipsec-nat-t': 4500,
  mdns: 5353,
}

const BOTH: Readonly<Record<string, number>> = {
  echo: 7,
  discard: 9,
  daytime: 13,
  chargen: 19,
  time: 37,
  tacacs: 49,
  domain: 53,
  kerberos: 88,
  portmapper: 111,
  sunrpc: 111,
  snmp: 161,
  'snmp-trap': 162,
  snmptrap: 162,
  ldap: 389,
  svrloc: 427,
  https: 443,
  kpasswd: 464,
  syslog: 514,
  rtsp: 554,
  ldaps: 636,
  ldp: 646,
  'domain-s': 853,
  openvpn: 1194,
  radius: 1812,
  radacct: 1813,
  'radius-acct': 1813,
  nfs: 2049,
  sip: 5060,
  'sip-tls': 5061,
}

const SERVICES: ReadonlyMap<string, Service> = new Map([
  ...servicesOf(TCP, PROTOCOL_TCP),
  ...servicesOf(UDP, PROTOCOL_UDP),
  ...servicesOf(BOTH, undefined),
])

function servicesOf(
  ports: Readonly<Record<string, number>>,
  protocol: number | undefined,
): [string, Service][] {
  return Object.entries(ports).map(([name, port]) => [name, { port, protocol }])
}

export function serviceNamed(name: string): Service | undefined {
  return SERVICES.get(name)
}
