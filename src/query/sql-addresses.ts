/** SQL that spells addresses as the rest of the program does. Tables keep them as four words, IPv4 in the first. */

/** RFC 5952 §4.2: from the longest run of zero groups to the shortest that counts. */
const ZERO_RUNS = [8, 7, 6, 5, 4, 3, 2]

function zeroRun(groups: number): string {
  return `'(^|:)0(:0){${groups - 1}}(:|$)'`
}

const COMPRESSED = ZERO_RUNS.map(
  (groups) =>
    `WHEN regexp_matches(groups, ${zeroRun(groups)}) ` +
    `THEN regexp_replace(groups, ${zeroRun(groups)}, '::')`,
).join(' ')

const GROUPS = ['a', 'b', 'c', 'd']
  .flatMap((word) => [`to_hex(${word} >> 16)`, `to_hex(${word} & 65535)`])
  .join(', ')

/** To be run once in a database that has the schema `loaded`. */
export const ADDRESS_MACROS = [
  `CREATE MACRO loaded.ipv4_text(a) AS
    concat_ws('.', a >> 24, (a >> 16) & 255, (a >> 8) & 255, a & 255)`,
  `CREATE MACRO loaded.compressed(groups) AS CASE ${COMPRESSED} ELSE groups END`,
  `CREATE MACRO loaded.ipv6_text(a, b, c, d) AS
    CASE WHEN a = 0 AND b = 0 AND c = 65535 THEN '::ffff:' || loaded.ipv4_text(d)
    ELSE loaded.compressed(lower(concat_ws(':', ${GROUPS}))) END`,
  `CREATE MACRO loaded.address_text(version, a, b, c, d) AS
    CASE version WHEN 4 THEN loaded.ipv4_text(a) WHEN 6 THEN loaded.ipv6_text(a, b, c, d) END`,
]

/** The columns that hold an address. */
export function addressColumns(prefix: string): string[] {
  return [0, 1, 2, 3].map((word) => `${prefix}_${word}`)
}

/** What spells it; null where the row has no IP. */
export function addressText(prefix: string): string {
  return `loaded.address_text(version, ${addressColumns(prefix).join(', ')})`
}
