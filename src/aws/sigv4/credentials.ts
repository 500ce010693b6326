import { OperatorError } from '../../errors.js'

/** An access key, and what it is called. */
export interface Credential {
  /** The name of its profile: who asks, in the audit log. */
  readonly userName: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** When set, requests must show it too. */
  readonly sessionToken?: string
}

/** Nothing that would end a credential scope or a list in a header. */
const ACCESS_KEY_ID = /^[\w-]{1,128}$/

/** `[team a/b]` is none: the name becomes part of an ARN. */
const USER_NAME = /^[\w+=,.@-]{1,64}$/

/**
 * Reads text in the format of AWS's shared credentials file: every profile with
 * `aws_access_key_id` and `aws_secret_access_key` (and `aws_session_token`) is a user of that
 * name, by access key id. Other keys and profiles are left out.
 *
 * Throws OperatorError with `name` and the number of the line, never what is in it.
 *
 * https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
 */
export function parseCredentials(text: string, name: string): Map<string, Credential> {
  const credentials = new Map<string, Credential>()
  for (const credential of parseProfiles(text, name)) {
    const { userName, accessKeyId } = credential
    const other = credentials.get(accessKeyId)
    if (other !== undefined) {
      throw new OperatorError(
        `${name}: profile ${userName} has the access key of profile ${other.userName}`,
      )
    }
    credentials.set(accessKeyId, credential)
  }
  if (credentials.size === 0) {
    throw new OperatorError(
      `${name} has no access key: add a profile, or remove the file to have one made`,
    )
  }
  return credentials
}

/** The same as a client sees it, which may have one key in several profiles: all that have one. */
export function parseProfiles(text: string, name: string): Credential[] {
  const profiles = new Map<string, Map<string, string>>()
  let profile: Map<string, string> | undefined
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/)
  for (const [index, line] of lines.entries()) {
    const refuse = (what: string): never => {
      throw new OperatorError(`${name}: line ${index + 1} ${what}`)
    }
    if (/^\s*(?:[#;]|$)/.test(line)) continue
    const header = /^\[([^\]]*)\]\s*(?:[#;].*)?$/.exec(line)
    if (header !== null) {
      const userName = header[1]!.trim()
      if (!USER_NAME.test(userName))
        refuse('names a profile with characters that an ARN cannot have')
      if (profiles.has(userName)) refuse('repeats a profile')
      profile = new Map()
      profiles.set(userName, profile)
      continue
    }
    // Indented lines belong to the setting before, which is none of ours.
    if (/^\s/.test(line)) continue
    const [, key, value] = /^([^=\s]+)\s*=\s*(.*?)\s*(?:\s[#;].*)?$/.exec(line) ?? []
    if (key === undefined || value === undefined) refuse('is neither [profile] nor key = value')
    if (profile === undefined) refuse('comes before any [profile]')
    profile!.set(key!.toLowerCase(), value!)
  }
  return withKeys(profiles, name)
}

function withKeys(
  profiles: ReadonlyMap<string, ReadonlyMap<string, string>>,
  name: string,
): Credential[] {
  const credentials: Credential[] = []
  for (const [userName, settings] of profiles) {
    const accessKeyId = settings.get('aws_access_key_id') ?? ''
    const secretAccessKey = settings.get('aws_secret_access_key') ?? ''
    const sessionToken = settings.get('aws_session_token') ?? ''
    if (accessKeyId === '' && secretAccessKey === '') continue
    if (!ACCESS_KEY_ID.test(accessKeyId) || secretAccessKey === '') {
      throw new OperatorError(
        `${name}: profile ${userName} needs aws_access_key_id (letters, digits, _ and -) and aws_secret_access_key`,
      )
    }
    credentials.push({
      userName,
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === '' ? {} : { sessionToken }),
    })
  }
  return credentials
}
