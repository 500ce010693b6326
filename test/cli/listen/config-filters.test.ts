import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { filtersIn } from '../../../src/cli/listen/config-resources.js'
import { YamlFile } from '../../../src/control/yaml-file.js'
import { OperatorError } from '../../../src/errors.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { runMain } from '../run-main.js'

function fileOf(yaml: string): string {
  const path = join(temporaryDirectory(), 'mirrortap.yaml')
  writeFileSync(path, yaml)
  return path
}

const read = (path: string): YamlFile => YamlFile.read('the configuration', path)

describe('filtersIn', () => {
  test('reads the filters of sessions, by VNI, by name and by both', () => {
    const path = fileOf(`
port: 4789
filter: not port 22
filters:
  - vni: 7
    filter: tcp port 443
  - { session: tms-web, filter: 'udp[0:2] = 53' }
  - { vni: 8, session: vni-8_10.0.0.1, filter: '' }
`)
    expect(filtersIn(read(path))).toEqual([
      { vni: 7, filter: 'tcp port 443' },
      { session: 'tms-web', filter: 'udp[0:2] = 53' },
      { vni: 8, session: 'vni-8_10.0.0.1', filter: '' },
    ])
  })

  test.each(['', '# nothing\n', 'port: 1', 'filters: []'])('finds none in "%s"', (yaml) => {
    expect(filtersIn(read(fileOf(yaml)))).toEqual([])
  })

  test.each([
    ['filters: tcp', 1, 'filters must be a list'],
    ['filters:\n  - tcp', 2, 'must hold vni, session, filter'],
    ['filters:\n  - vni: 7', 2, 'filter is missing; it must be a text'],
    ['filters:\n  - filter: tcp', 2, 'must name a session'],
    ['filters:\n  - vni: 16777216\n    filter: tcp', 2, 'vni must be a whole number'],
    ['filters:\n  - session: a b\n    filter: tcp', 2, 'session must be the name of a session'],
    ['filters:\n  - vni: 7\n    filtre: tcp', 3, 'filtre is not known'],
    [
      'filters:\n  - vni: 7\n    filter: tcp\n  - vni: 8\n    filter: tcp prot 80',
      5,
      'filters[1].filter is wrong at column 5, "prot"',
    ],
  ])('refuses "%s" with line %i: %s', (yaml, line, says) => {
    const taken = (): unknown => filtersIn(read(fileOf(yaml)))
    expect(taken).toThrow(OperatorError)
    expect(taken).toThrow(new RegExp(`mirrortap\\.yaml(:| line )${line}\\b|line ${line}\\b`))
    expect(taken).toThrow(says)
    expect(taken).toThrow(/^[^\n]+$/)
  })
})

describe('listen --config', () => {
  test.each([
    ['filter: tcp prot 80', 'the filter is wrong at column 5, "prot"'],
    [
      'filters:\n  - vni: 8\n    filter: tcp prot 80',
      'filters[0].filter is wrong at column 5, "prot"',
    ],
    ['filterz: tcp', 'did you mean "filter'],
  ])('refuses "%s" before anything is opened', async (yaml, says) => {
    const { code, out, err } = await runMain('listen', '--no-api', '--config', fileOf(yaml))
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toContain(says)
  })
})
