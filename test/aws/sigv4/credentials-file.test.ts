import fs, {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { defaultCredentialsPath, openCredentials } from '../../../src/aws/sigv4/credentials-file.js'
import { temporaryDirectory } from '../../support/temporary.js'

describe('openCredentials', () => {
  test('makes a random pair, for its owner alone, once', async () => {
    const umask = process.umask(0)
    try {
      const directory = join(temporaryDirectory(), 'a', 'b')
      const path = join(directory, 'credentials')
      const { made, credentials, isExposed } = await openCredentials(path)
      expect(made).toEqual({
        userName: 'default',
        accessKeyId: expect.stringMatching(/^MTAP[A-Z2-7]{16}$/),
        secretAccessKey: expect.stringMatching(/^[\w-]{40}$/),
      })
      expect([...credentials.values()]).toEqual([made])
      expect(isExposed).toBe(false)
      expect(statSync(path).mode & 0o777).toBe(0o600)
      expect(readdirSync(directory)).toEqual(['credentials'])

      const again = await openCredentials(path)
      expect(again.made).toBeUndefined()
      expect([...again.credentials.values()]).toEqual([made])
      const other = await openCredentials(join(directory, 'other'))
      expect(other.made!.secretAccessKey).not.toBe(made!.secretAccessKey)
    } finally {
      process.umask(umask)
    }
  })

  test('agrees with others that make it at the same time', async () => {
    const directory = temporaryDirectory()
    const path = join(directory, 'credentials')
    const { linkSync } = fs
    fs.linkSync = (own, name) => {
      writeFileSync(path, '[other]\naws_access_key_id = THEIRS\naws_secret_access_key = s\n')
      linkSync(own, name)
    }
    syncBuiltinESMExports()
    onTestFinished(() => {
      fs.linkSync = linkSync
      syncBuiltinESMExports()
    })
    const { made, credentials } = await openCredentials(path)
    expect(made).toBeUndefined()
    expect([...credentials.keys()]).toEqual(['THEIRS'])
    expect(readdirSync(directory)).toEqual(['credentials'])
  })

  test('changes nothing of a file that is there, and says when others may read it', async () => {
    const path = join(temporaryDirectory(), 'credentials')
    const text = '[a]\naws_access_key_id = A\naws_secret_access_key = b\n'
    writeFileSync(path, text, { mode: 0o600 })
    expect((await openCredentials(path)).isExposed).toBe(false)
    chmodSync(path, 0o640)
    expect((await openCredentials(path)).isExposed).toBe(true)
    expect(readFileSync(path, 'utf8')).toBe(text)
    writeFileSync(path, '')
    await expect(openCredentials(path)).rejects.toThrow(`${path} has no access key`)
    expect(readFileSync(path, 'utf8')).toBe('')
  })

  test.each([
    { name: 'a directory', path: '.', message: /cannot read the credentials .*EISDIR/ },
    {
      name: 'a place where nothing can be made',
      path: '/proc/nowhere/credentials',
      message: /cannot write/,
    },
    { name: 'a path through a file', path: 'file/credentials', message: /cannot read .*ENOTDIR/ },
  ])('refuses $name', async ({ path, message }) => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'x'))
    writeFileSync(join(directory, 'file'), '')
    const opened = openCredentials(path.startsWith('/') ? path : join(directory, path))
    await expect(opened).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringMatching(message),
    })
  })
})

describe('defaultCredentialsPath', () => {
  test.each([
    { environment: { XDG_CONFIG_HOME: '/etc/x' }, ends: /^\/etc\/x\/mirrortap\/credentials$/ },
    { environment: { XDG_CONFIG_HOME: 'relative' }, ends: /\/\.config\/mirrortap\/credentials$/ },
    { environment: {}, ends: /\/\.config\/mirrortap\/credentials$/ },
  ])('is, with $environment', ({ environment, ends }) => {
    expect(defaultCredentialsPath(environment)).toMatch(ends)
  })
})
