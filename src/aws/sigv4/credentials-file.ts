import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { OperatorError } from '../../errors.js'
import { ensureDirectory, syncDirectory } from '../../sink/directory.js'
import { makeNewFile } from '../../sink/new-file.js'
import { ReadError } from '../../sink/read-error.js'
import { errnoOf, WriteError } from '../../sink/write-error.js'
import { type Credential, parseCredentials } from './credentials.js'

/** Not AKIA, which is AWS's: these keys open nothing there, and scanners for leaked ones need not wake anybody. */
const KEY_PREFIX = 'MTAP'
const KEY_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const KEY_RANDOM_LEN = 16
/** 240 bits: 40 characters, as AWS's own. */
const SECRET_OCTETS = 30

const FILE_MODE = 0o600
const READABLE_BY_OTHERS = 0o077

interface OpenedCredentials {
  /** By access key id; at least one. */
  readonly credentials: Map<string, Credential>
  /** The pair made just now, or undefined when the file was there. To be shown once. */
  readonly made: Credential | undefined
  /** Whether others than its owner may read the file. */
  readonly isExposed: boolean
}

/** `$XDG_CONFIG_HOME/mirrortap/credentials`, or below `~/.config`. Throws OperatorError where there is no home. */
export function defaultCredentialsPath(environment: NodeJS.ProcessEnv = process.env): string {
  const configured = environment['XDG_CONFIG_HOME']
  if (configured?.startsWith('/')) return join(configured, 'mirrortap', 'credentials')
  try {
    return join(homedir(), '.config', 'mirrortap', 'credentials')
  } catch {
    throw new OperatorError('there is no home directory for credentials: give --credentials FILE')
  }
}

/**
 * Reads the credentials file, or makes one with a random pair, profile `default`, when it is not
 * there: for its owner only, with its directory, and never half of it. Two processes that make it at
 * the same time use the same pair. Throws OperatorError.
 */
export async function openCredentials(path: string): Promise<OpenedCredentials> {
  const existing = read(path)
  if (existing !== undefined) return existing
  const made: Credential = { userName: 'default', ...randomPair() }
  ensureDirectory(dirname(path))
  try {
    if (makeNewFile(path, textOf(made), FILE_MODE)) {
      await syncDirectory(dirname(path))
      return { credentials: new Map([[made.accessKeyId, made]]), made, isExposed: false }
    }
  } catch (error) {
    throw new WriteError(path, error)
  }
  const others = read(path)
  if (others !== undefined) return others
  throw new OperatorError(`${path} keeps appearing and disappearing: check what removes it`)
}

function read(path: string): OpenedCredentials | undefined {
  let text: string
  let isExposed: boolean
  try {
    text = readFileSync(path, 'utf8')
    isExposed = (statSync(path).mode & READABLE_BY_OTHERS) !== 0
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw new ReadError('the credentials', path, error)
  }
  return { credentials: parseCredentials(text, path), made: undefined, isExposed }
}

function randomPair(): { accessKeyId: string; secretAccessKey: string } {
  const letters = [...randomBytes(KEY_RANDOM_LEN)].map((octet) => KEY_ALPHABET[octet % 32])
  return {
    accessKeyId: KEY_PREFIX + letters.join(''),
    // Nothing in it that a shell or a URL would want quoted.
    secretAccessKey: randomBytes(SECRET_OCTETS).toString('base64url'),
  }
}

function textOf({ userName, accessKeyId, secretAccessKey }: Credential): string {
  const key = `aws_access_key_id = ${accessKeyId}`
  return `[${userName}]\n${key}\naws_secret_access_key = ${secretAccessKey}\n`
}
