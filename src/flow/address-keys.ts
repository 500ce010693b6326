import { formatAddress, MAPPED_WORD } from '../wire/address.js'
import { HOT_WORDS, KIND, KIND_IPV6 } from './flow-entry.js'
import type { FlowTable } from './flow-table.js'
import type { HeavyKeys } from './heavy-keys.js'

/** Lays an address out in four words of `key`, IPv4 in IPv6 form. */
export function readAddress(
  table: FlowTable,
  flow: number,
  first: number,
  rest: number,
  key: Uint32Array,
  at: number,
): void {
  const { words } = table
  const entry = flow * HOT_WORDS
  const isV6 = words[entry + KIND]! >= KIND_IPV6
  key[at] = isV6 ? words[entry + first]! : 0
  key[at + 1] = isV6 ? words[entry + rest]! : 0
  key[at + 2] = isV6 ? words[entry + rest + 1]! : MAPPED_WORD
  key[at + 3] = words[entry + (isV6 ? rest + 2 : first)]!
}

/** How the four words of a row's key from `word` on are spelled. */
export function addressText(keys: HeavyKeys, row: number, word: number): string {
  return formatAddress(
    keys.keyWord(row, word),
    keys.keyWord(row, word + 1),
    keys.keyWord(row, word + 2),
    keys.keyWord(row, word + 3),
  )
}
