import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../../support/temporary.js'
import { runMain } from '../run-main.js'

const PACKAGED = join(import.meta.dirname, '../../../scripts/package/mirrortap.yaml')

/** Values and origins by name, of lines such as `port: 4789  # default`. */
async function printed(...args: string[]): Promise<Record<string, [value: string, from: string]>> {
  const { code, out, err } = await runMain('listen', ...args, '--print-config')
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const rows = out.trimEnd().split('\n')
  return Object.fromEntries(
    rows.map((row) => {
      const [, name, value, from] = /^((?:# )?[a-z0-9-]+):(?: (.*?))? +# (.*)$/.exec(row)!
      return [name!, [value ?? '', from!]]
    }),
  )
}

function written(yaml: string): string {
  const path = join(temporaryDirectory(), 'mirrortap.yaml')
  writeFileSync(path, yaml)
  return path
}

describe('listen --print-config', () => {
  test('shows each option with where its value is from', async () => {
    const path = written('# first\ncapture-dir: captures\nrotate-size: 10MB\n')
    expect(await printed('--config', path, '--snaplen', '96')).toMatchObject({
      '# port': ['4789', 'default'],
      snaplen: ['96', 'command line'],
      'capture-dir': ['captures', `${path}:2`],
      'rotate-size': ['10000000', `${path}:3`],
      '# keep-bytes': ['', 'not set'],
      '# api': ['127.0.0.1:4780', 'not set'],
    })
  })

  test('prints a configuration that means the same', async () => {
    const args = [
      ...['--capture-dir', 'a b', '--file-mode', '0600', '--api', '[::1]:0', '--no-tcp-check'],
      ...['--flow-log-dir', 'logs', '--deliver', 's3://a/b', '--deliver', 'firehose://c'],
      ...['--log-format', '${srcaddr} ${dstaddr}', '--hive-compatible-partitions'],
      ...['--filter', 'not port 22', '--account-id', '000000000001', '--rotate-interval', '90s'],
    ]
    const { out } = await runMain('listen', ...args, '--print-config')
    const again = await runMain('listen', '--config', written(out), '--print-config')
    const values = (text: string) => text.replace(/ +# [^#\n]*$/gm, '').replaceAll(/ +$/gm, '')
    expect(again.err).toBe('')
    expect(values(again.out)).toBe(values(out))
  })

  test('refuses what listen refuses, by file and line', async () => {
    const path = written('port: 4789\n\nworkers: none\n')
    const { code, err } = await runMain('listen', '--config', path, '--print-config')
    expect(code).toBe(2)
    expect(err).toContain(`${path}:3: "workers" cannot be "none".`)
  })

  test('takes the configuration of the package', async () => {
    expect(await printed('--config', PACKAGED)).toMatchObject({
      'capture-dir': ['/var/lib/mirrortap/captures', expect.stringMatching(/mirrortap\.yaml:\d+$/)],
    })
  })
})
