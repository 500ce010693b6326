import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { Appliance, BIN, IS_BUILT, NEEDS_BUILD, UNHURRIED } from './program.js'

const ROOT = join(import.meta.dirname, '../..')

/** Commands by recipe, those of several lines as one. */
const RECIPES = [
  .../^## Recipes\n(.*?)^## /ms
    .exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))![1]!
    .matchAll(/^\*\*(.*?)\.\*\*.*?^```sh\n(.*?)^```/gms),
].map(([, name, text]) => ({
  name: name!,
  commands: text!.trim().replaceAll('\\\n', '').split('\n'),
}))

/** Where a command of the README is not to touch this host, or is to end. */
const HERE: readonly (readonly [find: RegExp, put: string])[] = [
  [
    / listen /,
    ' listen --bind 127.0.0.1 --port 0 --api 127.0.0.1:0 --credentials keys --duration 1 ',
  ],
  [/--geneve-port 6081/, '--geneve-port 0'],
  [/--health 0\.0\.0\.0:80/, '--health 127.0.0.1:0'],
  [/ capture -w - /, ' capture -w - --read samples/vxlan-two-sessions.pcap '],
]

/** Runs it in a shell, in a directory with the samples; answers with what it printed. */
async function run(directory: string, command: string, environment: NodeJS.ProcessEnv = {}) {
  let line = command
  for (const [find, put] of HERE) line = line.replace(find, put)
  const script = `set -o pipefail; mirrortap() { "${process.execPath}" "${BIN}" "$@"; }; ${line}`
  const shell = spawn('bash', ['-c', script], {
    cwd: directory,
    env: { ...process.env, ...environment },
  })
  let said = ''
  const hear = (bytes: Buffer): void => {
    said += bytes.toString()
  }
  shell.stdout.on('data', hear)
  shell.stderr.on('data', hear)
  const [code] = (await once(shell, 'close')) as [number | null]
  expect({ line, code, said: code === 0 ? '' : said }).toEqual({ line, code: 0, said: '' })
  return said
}

function directoryWithSamples(): string {
  const directory = temporaryDirectory()
  cpSync(join(ROOT, 'samples'), join(directory, 'samples'), { recursive: true })
  return directory
}

describe.skipIf(!IS_BUILT)(`the README's recipes${NEEDS_BUILD}`, UNHURRIED, () => {
  test('are five', () => {
    expect(RECIPES).toHaveLength(5)
  })

  for (const { name, commands } of RECIPES) {
    const ours = commands.filter((command) => command.startsWith('mirrortap '))
    const needsTshark = ours.some((command) => command.includes('tshark'))
    test.skipIf(ours.length === 0 || (needsTshark && !hasTool('tshark')))(
      `${name}${needsTshark ? ' (needs tshark)' : ''}`,
      async () => {
        const directory = directoryWithSamples()
        const said = []
        for (const command of ours) said.push(await run(directory, command))
        if (needsTshark) expect(said.join('')).toContain('TCP')
        if (name.includes('Athena')) {
          expect(said.at(-1)).toContain('CREATE EXTERNAL TABLE')
          const files = readdirSync(join(directory, 'flow-logs'), { recursive: true })
          expect(files.some((file) => String(file).endsWith('.parquet'))).toBe(true)
        }
      },
    )
  }

  test.skipIf(!hasTool('aws'))('Open flows, from the AWS CLI (needs aws)', async () => {
    const directory = temporaryDirectory()
    const keys = join(directory, 'keys')
    writeFileSync(keys, '[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = secret\n')
    const appliance = new Appliance(['--api', '127.0.0.1:0', '--credentials', keys])
    const [, url] = await appliance.says(/^API on (\S+),/m)
    const environment = {
      AWS_SHARED_CREDENTIALS_FILE: keys,
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_ENDPOINT_URL: url!,
    }
    const { commands } = RECIPES.find(({ name }) => name.includes('AWS CLI'))!
    const said = []
    // Versions before AWS_ENDPOINT_URL are told on the command line.
    for (const command of commands) {
      said.push(await run(directory, `${command} --endpoint-url ${url}`, environment))
    }
    const { FlowOperationId: id } = JSON.parse(said[0]!) as { FlowOperationId: string }
    expect(said[1]).toContain(id)
    expect(await appliance.stop()).toBe(0)
  })
})
