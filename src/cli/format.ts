/** Columns for people. */

const PROTOCOLS: Readonly<Record<number, string>> = {
  1: 'icmp',
  2: 'igmp',
  4: 'ipip',
  6: 'tcp',
  17: 'udp',
  41: 'ipv6',
  47: 'gre',
  50: 'esp',
  51: 'ah',
  58: 'icmpv6',
  89: 'ospf',
  103: 'pim',
  112: 'vrrp',
  132: 'sctp',
}

/** `tcp`, or the number where no name is common. */
export function formatProtocol(protocol: number): string {
  return PROTOCOLS[protocol] ?? String(protocol)
}

const FLAG_LETTERS = ['F', 'S', 'R', 'P', 'A', 'U', 'E', 'C']

/** `SAF`, lowest bit first; `-` for none. */
export function formatFlags(tcpFlags: number): string {
  const letters = FLAG_LETTERS.filter((_letter, bit) => (tcpFlags & (1 << bit)) !== 0)
  return letters.length === 0 ? '-' : letters.join('')
}

/** `12.3 MB` and the like, decimal units. */
export function formatOctets(octets: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let unit = 0
  while (octets >= 1000 && unit < units.length - 1) {
    octets /= 1000
    unit++
  }
  return `${unit === 0 ? octets : octets.toFixed(1)} ${units[unit]}`
}

/** Lines of a table with a heading; columns in `right` are set to the right. */
export function formatTable(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string[] {
  const widths = heading.map((name) => name.length)
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      if (cell.length > widths[column]!) widths[column] = cell.length
    }
  }
  return [heading, ...rows].map((row) =>
    row
      .map((cell, column) =>
        right.includes(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  )
}
