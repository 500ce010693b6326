import type { Random } from '../support/random.js'

/** No mutation makes an input longer. */
export const INPUT_MAX = 64 * 1024

const ODD_BYTES = [0, 1, 0x0a, 0x20, 0x22, 0x2c, 0x7f, 0x80, 0xff]
const ODD_NUMBERS = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000]
const ODD_DIGITS = ['0', '-1', '2147483648', '9007199254740993', '1e309', '99999999999999999999']

/** What an attacker, a bad cable or a full disk makes of bytes; `others` are sound inputs to take parts of. */
export function mutation(
  random: Random,
  sound: Buffer,
  others: readonly Buffer[],
  words: readonly string[] = [],
): Buffer {
  let bytes = sound
  for (let times = 1 + random.below(4); times > 0; times--) {
    bytes = changed(random, bytes, others, words)
  }
  return bytes.subarray(0, INPUT_MAX)
}

function changed(
  random: Random,
  sound: Buffer,
  others: readonly Buffer[],
  words: readonly string[],
): Buffer {
  const at = random.below(sound.length + 1)
  const bytes = Buffer.from(sound)
  const insert = (part: Buffer): Buffer =>
    Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at)])
  const replace = (part: Buffer): Buffer =>
    Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at + part.length)])
  switch (random.below(13)) {
    case 0:
    case 1:
      if (at < bytes.length) bytes[at]! ^= 1 << random.below(8)
      return bytes
    case 2:
      if (at < bytes.length) bytes[at] = random.pick(ODD_BYTES)
      return bytes
    case 3: {
      const number = Buffer.alloc(8)
      const value = random.pick(ODD_NUMBERS) + random.below(3) - 1
      number.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)))
      const word = number.subarray(8 - random.pick([2, 4, 4, 8]))
      return replace(random.below(2) === 0 ? word : word.reverse())
    }
    case 4:
      return bytes.subarray(0, at)
    case 5:
      return insert(random.bytes(random.below(12)))
    case 6:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(random.below(bytes.length + 1))])
    case 7: {
      const other = random.pick(others)
      const from = random.below(other.length + 1)
      return insert(other.subarray(from, from + random.below(200)))
    }
    case 8: {
      const other = random.pick(others)
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length + 1))])
    }
    case 9:
      return words.length === 0 ? bytes : insert(Buffer.from(random.pick(words)))
    case 10:
      return words.length === 0 ? bytes : replace(Buffer.from(random.pick(words)))
    case 11:
      return insert(Buffer.from(random.pick(ODD_DIGITS)))
    default: {
      const part = bytes.subarray(at, at + 1 + random.below(40))
      const times = random.pick([1, 1, 2, 40, 400])
      return insert(Buffer.concat(Array.from({ length: times }, () => part)))
    }
  }
}
