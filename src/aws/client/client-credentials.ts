import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { OperatorError } from '../../errors.js'
import { ReadError } from '../../sink/read-error.js'
import { type Credential, parseProfiles } from '../sigv4/credentials.js'

export interface CredentialsOptions {
  /** A file in AWS's shared format. */
  readonly file?: string | undefined
  /** Of that file, else of AWS's own. */
  readonly profile?: string | undefined
  readonly environment?: NodeJS.ProcessEnv
}

const DEFAULT_PROFILE = 'default'

/**
 * Where a client has its access key from: the file, AWS's file where only a profile is
 * named, else AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
 *
 * What it answers with reads a file anew each time, since keys with a session token
 * last for hours and clients for months. Both throw OperatorError.
 */
export function credentialSource(options: CredentialsOptions): () => Credential {
  const { file, profile, environment = process.env } = options
  if (file !== undefined) return () => ofFile(file, profile)
  if (profile !== undefined) {
    const path = environment['AWS_SHARED_CREDENTIALS_FILE'] ?? join(homedir(), '.aws/credentials')
    return () => ofFile(path, profile)
  }
  const credential = ofEnvironment(environment)
  return () => credential
}

function ofFile(path: string, profile = DEFAULT_PROFILE): Credential {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new ReadError('the credentials', path, error)
  }
  const profiles = parseProfiles(text, path)
  const found = profiles.find(({ userName }) => userName === profile)
  if (found !== undefined) return found
  const names = profiles.map(({ userName }) => userName).join(', ')
  throw new OperatorError(
    `${path}: there is no access key of a profile ${profile}; ${names === '' ? 'there is none' : `there are ${names}: name one with --profile`}`,
  )
}

function ofEnvironment(environment: NodeJS.ProcessEnv): Credential {
  const accessKeyId = environment['AWS_ACCESS_KEY_ID']
  const secretAccessKey = environment['AWS_SECRET_ACCESS_KEY']
  const sessionToken = environment['AWS_SESSION_TOKEN']
  if (!accessKeyId || !secretAccessKey) {
    throw new OperatorError(
      'no access key: give --credentials FILE or --profile NAME, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
      { exitCode: 2 },
    )
  }
  const token = sessionToken ? { sessionToken } : {}
  return { userName: 'environment', accessKeyId, secretAccessKey, ...token }
}
