// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a log format is written

import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { FIELDS } from '../../src/flowlog/fields.js'
import { DEFAULT_LOG_FORMAT, FIELDS_MAX, parseLogFormat } from '../../src/flowlog/log-format.js'
import { nearestName } from '../../src/nearest-name.js'

const names = (text: string | undefined) => parseLogFormat(text).fields.map(({ name }) => name)

/** The message with which `text` is refused. */
function refusal(text: string): string {
  try {
    parseLogFormat(text)
  } catch (error) {
    expect(error).toBeInstanceOf(OperatorError)
    expect((error as OperatorError).exitCode).toBe(2)
    const { message } = error as OperatorError
    expect(message).not.toContain('\n')
    return message
  }
  throw new Error(`accepted ${text}`)
}

describe('parseLogFormat', () => {
  test('takes the default format when none is given', () => {
    expect(parseLogFormat(undefined)).toBe(DEFAULT_LOG_FORMAT)
    expect(DEFAULT_LOG_FORMAT.version).toBe(2)
    expect(DEFAULT_LOG_FORMAT.text).toBe(
      '${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ' +
        '${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}',
    )
  })

  test.each([
    ['plain', '${srcaddr} ${dstaddr}'],
    ['in single quotes', "'${srcaddr} ${dstaddr}'"],
    ['in double quotes', '"${srcaddr} ${dstaddr}"'],
    ['in quotes inside quotes, as Terraform modules nest them', `"'\${srcaddr} \${dstaddr}'"`],
    ['with escaped dollars', '\\${srcaddr} \\${dstaddr}'],
    ['with doubled dollars', '$${srcaddr} $${dstaddr}'],
    ['over two lines', '\n  ${srcaddr}\n\t${dstaddr}\r\n'],
  ])('takes a format %s', (_how, text) => {
    expect(names(text)).toEqual(['srcaddr', 'dstaddr'])
    expect(parseLogFormat(text).text).toBe('${srcaddr} ${dstaddr}')
  })

  test.each(FIELDS.map(({ name, version }) => [name, version] as const))(
    'takes %s alone, version %i',
    (name, version) => {
      expect(names(`\${${name}}`)).toEqual([name])
      expect(parseLogFormat(`\${${name}}`).version).toBe(version)
    },
  )

  test('takes all fields in any order, and gives back what it read', () => {
    const text = FIELDS.map(({ name }) => `\${${name}}`)
      .reverse()
      .join(' ')
    const format = parseLogFormat(text)
    expect(format.fields).toEqual([...FIELDS].reverse())
    expect(format.version).toBe(11)
    expect(format.text).toBe(text)
    expect(parseLogFormat(format.text)).toEqual(format)
  })

  test('takes the highest version among the fields, and no other', () => {
    expect(parseLogFormat('${version} ${flow-direction} ${srcaddr}').version).toBe(5)
    expect(parseLogFormat('${srcaddr} ${vpc-id}').version).toBe(3)
  })

  test('keeps a field that is named twice', () => {
    expect(names('${bytes} ${bytes}')).toEqual(['bytes', 'bytes'])
  })

  test.each([
    ['${srcadr}', "'srcadr' at column 3: did you mean 'srcaddr'?"],
    ['${srcaddr} ${dst_port}', "'dst_port' at column 14: did you mean 'dstport'?"],
    ['${log_status}', "'log_status' at column 3: did you mean 'log-status'?"],
    ['${Bytes}', "'Bytes' at column 3: did you mean 'bytes'?"],
    ['$${windowend}', "'windowend' at column 4"],
    ['${}', "'' at column 3: there are version account-id"],
    ['${zzzzzzzz}', "'zzzzzzzz' at column 3: there are version account-id"],
  ])('refuses %s, naming the field', (text, part) => {
    expect(refusal(text)).toContain(part)
  })

  test.each([
    ['srcaddr dstaddr', 'column 1: expected ${field}, found "srcaddr dstaddr"'],
    ['${srcaddr} dstaddr', 'column 12: expected ${field}, found "dstaddr"'],
    ['${srcaddr} $dstaddr', 'column 12'],
    ['${srcaddr} {dstaddr}', 'column 12'],
    ['${srcaddr} ${dstaddr', 'column 12'],
    ['${srcaddr}${dstaddr}', 'needs a space between fields at column 11'],
    ['${srcaddr},${dstaddr}', 'needs a space between fields at column 11'],
    ["'${srcaddr}", 'column 1'],
    ['${srcaddr ${dstaddr}', 'column 1'],
    // What is left of a format in double quotes when the shell has been at it.
    ['-id -id', 'column 1'],
  ])('refuses %s, naming the column', (text, part) => {
    expect(refusal(text)).toContain(part)
  })

  test.each(['', ' ', "''", '" "', `"''"`])('refuses the empty format %j', (text) => {
    expect(refusal(text)).toContain('is empty')
  })

  test('refuses more fields than a line has room for', () => {
    const many = Array(FIELDS_MAX).fill('${bytes}').join(' ')
    expect(parseLogFormat(many).fields).toHaveLength(FIELDS_MAX)
    expect(refusal(`${many} \${bytes}`)).toContain(`at most ${FIELDS_MAX}`)
  })

  test('refuses every proper prefix of a field', () => {
    for (let length = 1; length < '${srcaddr}'.length; length++) {
      refusal('${srcaddr}'.slice(0, length))
    }
  })
})

describe('nearestName', () => {
  const fields = FIELDS.map(({ name }) => name)

  test.each([
    ['scraddr', 'srcaddr'],
    ['protcol', 'protocol'],
    ['acount-id', 'account-id'],
    ['tcpflags', 'tcp-flags'],
    ['pkt-src-addr', 'pkt-srcaddr'],
    ['interface_id', 'interface-id'],
    ['ATCION', 'action'],
    ['next-hop-vpc', 'next-hop-vpc-id'],
  ])('takes %s for %s', (typed, meant) => {
    expect(nearestName(typed, fields)).toBe(meant)
  })

  test('does not guess from afar', () => {
    expect(nearestName('x', fields)).toBeUndefined()
    expect(nearestName('', fields)).toBeUndefined()
    expect(nearestName('qqqqqqqqqq', fields)).toBeUndefined()
  })
})
