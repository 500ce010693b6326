import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { describe, expect, test } from 'vitest'
import { applyConfig } from '../../../src/cli/listen/config.js'
import { integerBetween, parsePort, parseSize } from '../../../src/cli/options.js'
import { YamlFile } from '../../../src/control/yaml-file.js'
import { OperatorError } from '../../../src/errors.js'
import { temporaryDirectory } from '../../support/temporary.js'

function command(...args: string[]): Command {
  return new Command('listen')
    .option('--port <number>', 'a number', parsePort, 4789)
    .option('--rotate-size <size>', 'a size', parseSize, 1)
    .option('--max-flows-per-session <number>', 'an optional one', integerBetween(1, 9))
    .option('--capture-dir <dir>', 'a text')
    .option('--per-hour-partition', 'a switch')
    .option('--no-api', 'a switch that is on')
    .option('--log <file>', 'a text')
    .option('--no-log', 'without it')
    .option('--config <file>', 'itself')
    .addOption(new Option('--receiver <name>', '').choices(['auto', 'dgram']).default('auto'))
    .parse(args, { from: 'user' })
}

async function optionsWith(yaml: string, ...args: string[]): Promise<Record<string, unknown>> {
  const path = join(temporaryDirectory(), 'mirrortap.yaml')
  writeFileSync(path, yaml)
  const parsed = command(...args)
  applyConfig(parsed, YamlFile.read('the configuration', path))
  return parsed.opts()
}

const DEFAULTS = { port: 4789, rotateSize: 1, api: true, receiver: 'auto' }

describe('applyConfig', () => {
  test.each([
    { yaml: 'port: 5000', expected: { port: 5000 } },
    { yaml: 'rotate-size: 100MB', expected: { rotateSize: 100e6 } },
    { yaml: 'rotate-size: 1500', expected: { rotateSize: 1500 } },
    { yaml: 'max-flows-per-session: 3', expected: { maxFlowsPerSession: 3 } },
    { yaml: 'capture-dir: 2026', expected: { captureDir: '2026' } },
    {
      yaml: 'capture-dir: "a b"\nreceiver: dgram',
      expected: { captureDir: 'a b', receiver: 'dgram' },
    },
    { yaml: 'per-hour-partition: true', expected: { perHourPartition: true } },
    { yaml: 'no-api: true', expected: { api: false } },
    { yaml: 'no-api: false', expected: { api: true } },
    { yaml: '# port: 5000\n', expected: {} },
    { yaml: '{}', expected: {} },
  ])('takes $yaml', async ({ yaml, expected }) => {
    const options = await optionsWith(yaml)
    expect({ ...DEFAULTS, ...options }).toEqual({ ...DEFAULTS, ...expected })
  })

  test('lets the command line win, also where it says the default', async () => {
    const yaml = 'port: 5000\nreceiver: dgram\nno-api: true'
    expect(await optionsWith(yaml, '--port', '4789')).toMatchObject({
      port: 4789,
      receiver: 'dgram',
      api: false,
    })
  })

  test.each([
    { yaml: 'prot: 1', says: 'there is no option "prot"; did you mean "port"?' },
    { yaml: 'frobnicate: 1', says: 'there is no option "frobnicate"' },
    { yaml: 'captureDir: x', says: 'there is no option "captureDir"; did you mean "capture-dir"?' },
    { yaml: 'config: other.yaml', says: 'there is no option "config"' },
    { yaml: 'port: 99999', says: '"port" cannot be "99999". Give a whole number from 0 to 65535.' },
    { yaml: 'port: [1, 2]', says: '"port" needs a value' },
    { yaml: 'port:', says: '"port" needs a value' },
    { yaml: 'port: true', says: '"port" needs a value' },
    { yaml: 'receiver: fast', says: '"receiver" must be one of auto, dgram, not "fast"' },
    { yaml: 'per-hour-partition: maybe', says: '"per-hour-partition" needs true or false' },
    { yaml: '- port', says: 'must hold option names and values, such as "port: 4789"' },
    { yaml: 'port', says: 'must hold option names and values, such as "port: 4789"' },
    { yaml: 'port: [', says: /mirrortap\.yaml:1: Flow sequence/ },
    { yaml: 'port: 1\nport: 2', says: /mirrortap\.yaml:2: Map keys must be unique/ },
    { yaml: 'log: false', says: '"log" needs a value; to turn it off, say "no-log: true"' },
  ])('refuses $yaml in one line', async ({ yaml, says }) => {
    const refused = optionsWith(yaml)
    await expect(refused).rejects.toThrow(OperatorError)
    await expect(refused).rejects.toMatchObject({ exitCode: 2 })
    await expect(refused).rejects.toThrow(/mirrortap\.yaml/)
    await expect(refused).rejects.toThrow(says)
    await expect(refused).rejects.toThrow(/^[^\n]*[^\n:]$/)
  })

  test('refuses a file that is not there', () => {
    expect(() => YamlFile.read('the configuration', '/no/such.yaml')).toThrow(
      'cannot read the configuration /no/such.yaml: it does not exist; check the path (ENOENT)',
    )
  })
})
