import { PROTOCOL_TCP, PROTOCOL_UDP } from './protocol.js'

/** What a name of a service stands for. */
export interface Service {
  readonly port: number
  /** IANA number; undefined where more than one protocol has it. */
  readonly protocol: number | undefined
}

/**
 * Names of ports that people know: a selection from IANA's "Service Name and Transport
 * Protocol Port Number Registry" (RFC 6335, https://www.iana.org/assignments/service-names-port-numbers),
 * with the names, aliases and protocols of Debian's /etc/services where that has the port. Of several
 * names of a port the first is its own. This is a table, and not that file, so that an
 * expression or a query means the same on every machine.
 */

const TCP: Readonly<Record<string, number>> = {
  tcpmux: 1,
  systat: 11,
  qotd: 17,
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
  'iso-tsap': 102,
  pop3: 110,
  auth: 113,
  ident: 113,
  nntp: 119,
  epmap: 135,
  'netbios-ssn': 139,
  imap2: 143,
  imap: 143,
  bgp: 179,
  'microsoft-ds': 445,
  submissions: 465,
  smtps: 465,
  exec: 512,
  login: 513,
  shell: 514,
  printer: 515,
  uucp: 540,
  afpovertcp: 548,
  nntps: 563,
  submission: 587,
  ipp: 631,
  'kerberos-adm': 749,
  spamd: 783,
  rsync: 873,
  'ftps-data': 989,
  ftps: 990,
  telnets: 992,
  imaps: 993,
  pop3s: 995,
  socks: 1080,
  rmiregistry: 1099,
  lotusnote: 1352,
  'ms-sql-s': 1433,
  pptp: 1723,
  'cisco-sccp': 2000,
  'etcd-client': 2379,
  'etcd-server': 2380,
  zebra: 2601,
  bgpd: 2605,
  dict: 2628,
  gpsd: 2947,
  'iscsi-target': 3260,
  'msft-gc': 3268,
  'msft-gc-ssl': 3269,
  mysql: 3306,
  'ms-wbt-server': 3389,
  distcc: 3632,
  daap: 3689,
  svn: 3690,
  sieve: 4190,
  nats: 4222,
  epmd: 4369,
  ntske: 4460,
  munin: 4949,
  'xmpp-client': 5222,
  'xmpp-server': 5269,
  cfengine: 5308,
  postgresql: 5432,
  postgres: 5432,
  nrpe: 5666,
  amqps: 5671,
  amqp: 5672,
  rfb: 5900,
  wsman: 5985,
  wsmans: 5986,
  x11: 6000,
  redis: 6379,
  'syslog-tls': 6514,
  ircd: 6667,
  'ircs-u': 6697,
  'http-alt': 8080,
  webcache: 8080,
  puppet: 8140,
  'secure-mqtt': 8883,
  'bacula-dir': 9101,
  'bacula-fd': 9102,
  'bacula-sd': 9103,
  git: 9418,
  webmin: 10000,
  'zabbix-agent': 10050,
  'zabbix-trapper': 10051,
  nbd: 10809,
  dicom: 11112,
  memcache: 11211,
  hkp: 11371,
  mongodb: 27017,
}

const UDP: Readonly<Record<string, number>> = {
  bootps: 67,
  bootpc: 68,
  tftp: 69,
  ntp: 123,
  'netbios-ns': 137,
  'netbios-dgm': 138,
  xdmcp: 177,
  'ptp-event': 319,
  'ptp-general': 320,
  isakmp: 500,
  who: 513,
  route: 520,
  router: 520,
  'dhcpv6-client': 546,
  'dhcpv6-server': 547,
  'asf-rmcp': 623,
  'ms-sql-m': 1434,
  l2f: 1701,
  l2tp: 1701,
  ssdp: 1900,
  'bfd-control': 3784,
  'ipsec-nat-t': 4500,
  iax: 4569,
  vxlan: 4789,
  mdns: 5353,
  llmnr: 5355,
  coap: 5683,
  geneve: 6081,
  sflow: 6343,
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
  sunrpc: 111,
  portmapper: 111,
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
  'radius-acct': 1813,
  radacct: 1813,
  mqtt: 1883,
  nfs: 2049,
  stun: 3478,
  nut: 3493,
  'ws-discovery': 3702,
  ipfix: 4739,
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

/** The name of every port that has one, by port. */
export function portNames(
  protocol: typeof PROTOCOL_TCP | typeof PROTOCOL_UDP,
): Map<number, string> {
  const names = new Map<number, string>()
  for (const [name, service] of SERVICES) {
    const isNamed = names.has(service.port)
    if (!isNamed && (service.protocol ?? protocol) === protocol) names.set(service.port, name)
  }
  return names
}
