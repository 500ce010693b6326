import { readFileSync } from 'node:fs'
import { type Credential, parseProfiles } from '../../aws/sigv4/credentials.js'
import { defaultCredentialsPath } from '../../aws/sigv4/credentials-file.js'
import { signRequest } from '../../aws/sigv4/signer.js'
import type { LiveState } from '../../dashboard/live-feed.js'
import { OperatorError } from '../../errors.js'
import { ReadError } from '../../sink/read-error.js'
import { errnoOf } from '../../sink/write-error.js'
import type { TopOptions } from './options.js'

/** The page that tells the states. */
const PATH = '/events'
/** A state of 65,000 sessions is about 6 MB. */
const EVENT_MAX = 64 * 1024 * 1024
/** An appliance tells a state a second, whatever hangs. */
const SILENT_MS = 15_000

/** The key to sign with; undefined where none is named and none is there. Throws OperatorError. */
export function keyOf({ credentials, profile }: TopOptions): Credential | undefined {
  const path = credentials ?? defaultCredentialsPath()
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (credentials === undefined && profile === undefined && errnoOf(error) === 'ENOENT')
      return undefined
    throw new ReadError('the credentials', path, error)
  }
  const profiles = parseProfiles(text, path)
  const found =
    profile === undefined ? profiles[0] : profiles.find(({ userName }) => userName === profile)
  if (found !== undefined) return found
  throw new OperatorError(
    profile === undefined ? `${path} has no access key` : `${path} has no profile ${profile}`,
  )
}

/** The API refuses, so that asking again is in vain. */
export class FeedRefused extends OperatorError {}

/**
 * The states of an appliance as it tells them (server-sent events), until `signal` or the appliance ends it.
 * Throws FeedRefused where it is no use to try again, and whatever `fetch` throws where nobody answers.
 */
export async function* statesOf(
  { api, region }: TopOptions,
  key: Credential | undefined,
  signal: AbortSignal,
): AsyncGenerator<LiveState> {
  const url = new URL(PATH, api)
  const headers = { host: url.host }
  const unsigned = { method: 'GET', path: PATH, headers, body: Buffer.alloc(0) } as const
  const scope = { region, service: 'ec2', at: new Date() }
  const silent = new AbortController()
  const timer = setTimeout(
    () => silent.abort(new Error(`no answer for ${SILENT_MS / 1000} s`)),
    SILENT_MS,
  )
  try {
    const answer = await fetch(url, {
      headers: key === undefined ? headers : signRequest(unsigned, key, scope),
      signal: AbortSignal.any([signal, silent.signal]),
      redirect: 'error',
    })
    if (answer.status !== 200 || answer.body === null) throw await refusal(answer, api, key)
    const decoder = new TextDecoder()
    let text = ''
    for await (const bytes of answer.body) {
      timer.refresh()
      text += decoder.decode(bytes, { stream: true })
      if (text.length > EVENT_MAX)
        throw new FeedRefused(`${api} is not an appliance: its reply has no end`)
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        const found = /^event: state\ndata: (.*)$/.exec(text.slice(0, end))
        text = text.slice(end + 2)
        if (found !== null) yield JSON.parse(found[1]!) as LiveState
      }
    }
  } finally {
    clearTimeout(timer)
  }
}

async function refusal(answer: Response, api: string, key: Credential | undefined): Promise<Error> {
  await answer.body?.cancel()
  if (answer.status === 503) return new Error(`${api} has no room for another reader`)
  if (answer.status === 401 || answer.status === 403) {
    const advice =
      key === undefined
        ? 'give its access keys with --credentials FILE'
        : 'are --credentials, --profile and --region those of the appliance?'
    return new FeedRefused(`${api} requires its access keys (${answer.status}): ${advice}`)
  }
  return new FeedRefused(`${api} is no API of mirrortap: ${PATH} answers ${answer.status}`)
}
