import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  type CredentialsOptions,
  credentialSource,
} from '../../../src/aws/client/client-credentials.js'
import { OperatorError } from '../../../src/errors.js'
import { temporaryDirectory } from '../../support/temporary.js'

const FILE = `[default]
aws_access_key_id = ONE
aws_secret_access_key = one
[copy]
aws_access_key_id = ONE
aws_secret_access_key = one
[hours]
aws_access_key_id = TWO
aws_secret_access_key = two
aws_session_token = t/o+k=en
[settings]
region = eu-west-1
`
const ONE = { accessKeyId: 'ONE', secretAccessKey: 'one' }
const KEYS = { AWS_ACCESS_KEY_ID: 'ENV', AWS_SECRET_ACCESS_KEY: 'env' }

function fileOf(text = FILE): string {
  const path = join(temporaryDirectory(), 'credentials')
  writeFileSync(path, text)
  return path
}

describe('credentialSource', () => {
  test('takes a profile of the file, before the environment', () => {
    const file = fileOf()
    const of = (options: CredentialsOptions) =>
      credentialSource({ file, environment: KEYS, ...options })()
    expect(of({})).toEqual({ userName: 'default', ...ONE })
    // A client may call one key by two names.
    expect(of({ profile: 'copy' })).toEqual({ userName: 'copy', ...ONE })
    expect(of({ profile: 'hours' })).toMatchObject({ accessKeyId: 'TWO', sessionToken: 't/o+k=en' })
  })

  test("takes a profile of AWS's own file where none is named", () => {
    const environment = { ...KEYS, AWS_SHARED_CREDENTIALS_FILE: fileOf() }
    const credential = credentialSource({ profile: 'hours', environment })()
    expect(credential.accessKeyId).toBe('TWO')
  })

  test('takes the environment, with a session token or without', () => {
    expect(credentialSource({ environment: { ...KEYS, AWS_SESSION_TOKEN: '' } })()).toEqual({
      userName: 'environment',
      accessKeyId: 'ENV',
      secretAccessKey: 'env',
    })
    const environment = { ...KEYS, AWS_SESSION_TOKEN: 'token' }
    expect(credentialSource({ environment })()).toMatchObject({ sessionToken: 'token' })
  })

  test('reads the file anew each time', () => {
    const file = fileOf()
    const source = credentialSource({ file, profile: 'hours' })
    expect(source().sessionToken).toBe('t/o+k=en')
    writeFileSync(file, FILE.replace('t/o+k=en', 'next'))
    expect(source().sessionToken).toBe('next')
    rmSync(file)
    expect(source).toThrow(
      /^cannot read the credentials .*: it does not exist; check the path \(ENOENT\)$/,
    )
  })

  test.each([
    {
      name: 'no such profile',
      profile: 'none',
      text: FILE,
      says: /there are default, copy, hours:/,
    },
    {
      name: 'a profile without a key',
      profile: 'settings',
      text: FILE,
      says: /of a profile settings; /,
    },
    {
      name: 'an empty file',
      profile: undefined,
      text: '',
      says: /of a profile default; there is none$/,
    },
    {
      name: 'half a key',
      profile: 'a',
      text: '[a]\naws_access_key_id = A',
      says: /profile a needs/,
    },
  ])('says so for $name, and nothing secret', ({ profile, text, says }) => {
    const source = credentialSource({ file: fileOf(text), profile })
    expect(source).toThrow(OperatorError)
    expect(source).toThrow(says)
    expect(source).not.toThrow(/two/)
  })

  test.each([{}, { AWS_ACCESS_KEY_ID: 'A' }, { ...KEYS, AWS_SECRET_ACCESS_KEY: '' }])(
    'asks for a key where the environment has none',
    (environment) => {
      expect(() => credentialSource({ environment })).toThrow(/^no access key: give --credentials/)
    },
  )
})
