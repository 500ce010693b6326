import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseShorthand } from '../../src/cli/flows/shorthand.js'
import { runCommand } from '../support/run-command.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

test.each([
  { text: 'DestinationPort=443', is: [{ DestinationPort: '443' }] },
  { text: 'Protocols=6', is: [{ Protocols: ['6'] }] },
  {
    text: 'DestinationPort=443,Protocols=6,17',
    is: [{ DestinationPort: '443', Protocols: ['6', '17'] }],
  },
  {
    text: 'Protocols=6,17,SourcePort=1:9',
    is: [{ Protocols: ['6', '17'], SourcePort: '1:9' }],
  },
  {
    text: 'Protocols=[6, 17] Protocols=[1]',
    is: [{ Protocols: ['6', '17'] }, { Protocols: ['1'] }],
  },
  {
    text: 'SourceAddress={AddressDefinition=2001:db8::/32},SourcePort="80"',
    is: [{ SourceAddress: { AddressDefinition: '2001:db8::/32' }, SourcePort: '80' }],
  },
  { text: "A='x, y=z',B=1 C=2", is: [{ A: 'x, y=z', B: '1' }, { C: '2' }] },
])('the shorthand $text says what JSON would', ({ text, is }) => {
  expect(parseShorthand(text)).toEqual(is)
})

test.each([
  ['A=', 'ends where a value was expected'],
  ['A={B=1', 'ends where } was expected'],
  ['A=1}', 'KEY=VALUE was expected at "}"'],
  ['A=1,A=2', 'A is given twice in one filter'],
  ['A=1;B=2', 'a comma was expected at "=2"'],
  ['A="x', 'a value was expected at "\\"x"'],
  ['A=[1', 'ends where ] was expected'],
  [`A=${'[['.repeat(40_000)}`, 'nests too deep'],
])('the shorthand %s is refused', (text, says) => {
  expect(parseShorthand(text)).toBe(says)
})

test('flows takes filters in the shorthand as it takes JSON, with OR between them', async () => {
  const json = [{ DestinationPort: '53', Protocols: ['17'] }, { SourcePort: '443' }]
  const lists = [
    ['--flow-filters', JSON.stringify(json)],
    ['--flow-filters', 'DestinationPort=53,Protocols=17 SourcePort=443'],
    ['--flow-filters', 'DestinationPort=53,Protocols=17', '--flow-filters', 'SourcePort=443'],
  ]
  const outcomes = []
  for (const list of lists) outcomes.push(await runCommand('flows', '--json', ...list, SAMPLE))
  expect(outcomes[0]!.code).toBe(0)
  expect(JSON.parse(outcomes[0]!.out)).not.toEqual([])
  expect(outcomes[1]).toEqual(outcomes[0])
  expect(outcomes[2]).toEqual(outcomes[0])
})
