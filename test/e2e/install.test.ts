import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { IS_BUILT, NEEDS_BUILD, Program, UNHURRIED } from './program.js'

const ROOT = join(import.meta.dirname, '../..')

/** What install needs of a clone that was built; packages stay where they are. */
const NEEDED = ['dist', 'src', 'scripts/package', 'package.json', 'package-lock.json']
const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'LICENSE']

/** Lays it out below a directory of its own, and answers with that. */
function install(): string {
  const clone = temporaryDirectory()
  for (const name of [...NEEDED, ...DOCUMENTS]) {
    cpSync(join(ROOT, name), join(clone, name), { recursive: true })
  }
  mkdirSync(join(clone, 'node_modules'))
  // There are none to prune, and npm would bring them.
  const tools = temporaryDirectory()
  symlinkSync('/bin/true', join(tools, 'npm'))
  const root = temporaryDirectory()
  const { status, stderr } = spawnSync(join(clone, 'scripts/package/install'), [root], {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${tools}:${process.env['PATH']}` },
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return root
}

describe.skipIf(!IS_BUILT)(`scripts/package${NEEDS_BUILD}`, UNHURRIED, () => {
  test('install lays out a program that receives and shows its page', async () => {
    const root = install()
    const directory = temporaryDirectory()
    const program = new Program([
      'env',
      `NODE_PATH=${join(ROOT, 'node_modules')}`,
      join(root, 'usr/bin/mirrortap'),
      ...['listen', '--config', join(root, 'etc/mirrortap/mirrortap.yaml')],
      ...['--bind', '127.0.0.1', '--port', '0', '--api', '127.0.0.1:0'],
      ...['--capture-dir', join(directory, 'captures'), '--flow-log-dir', join(directory, 'logs')],
      ...['--state', join(directory, 'state'), '--credentials', join(directory, 'credentials')],
    ])
    const [, url] = await program.says(/^dashboard on (\S+\/)/m)
    const page = await fetch(url!)
    expect({ status: page.status, text: await page.text() }).toEqual({
      status: 200,
      text: expect.stringContaining('<script'),
    })
    program.signal('SIGTERM')
    expect(await program.ended()).toBe(0)
  })

  // A minimal Debian is downloaded, and everything built in it: some minutes.
  const isWanted = process.env['CONTAINER_STEPS'] !== undefined && process.getuid?.() === 0
  test.skipIf(!isWanted || !hasTool('debootstrap'))(
    'the steps of the Containerfile make an image that receives (needs CONTAINER_STEPS=1, root, debootstrap)',
    { timeout: 1_800_000 },
    () => {
      const { status, stdout, stderr } = spawnSync(join(ROOT, 'scripts/package/try'), {
        encoding: 'utf8',
      })
      expect({ status, stderr }).toMatchObject({ status: 0 })
      expect(stdout).toContain('every step was done')
    },
  )
})
