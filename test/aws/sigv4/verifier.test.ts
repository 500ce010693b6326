import { execFileSync, spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { Refused } from '../../../src/aws/protocol/protocol.js'
import type { ReceivedRequest } from '../../../src/aws/protocol/request.js'
import type { Credential } from '../../../src/aws/sigv4/credentials.js'
import { Verifier } from '../../../src/aws/sigv4/verifier.js'
import { ALICE, BOB, REGION } from '../../api/running-api.js'
import { Random } from '../../support/random.js'
import {
  HOST,
  presigned,
  received,
  SIGNED_AT,
  signed,
  type ToSign,
  withHeaders,
} from './signed-request.js'

interface Setting {
  region?: string
  service?: string
  /** Seconds after the request was signed. */
  later?: number
  now?: Date
}

function verify(request: ReceivedRequest, setting: Setting = {}): Credential | Refused {
  const at = (setting.now ?? SIGNED_AT).getTime()
  const verifier = new Verifier({
    credentials: new Map([ALICE, BOB].map((one) => [one.accessKeyId, one])),
    region: setting.region ?? REGION,
    skewSeconds: 900,
    now: () => at + 1000 * (setting.later ?? 0),
  })
  return verifier.verify(request, setting.service ?? 'ec2')
}

function refused(refusal: string, message: RegExp): unknown {
  return expect.objectContaining({ refusal, message: expect.stringMatching(message) })
}

/** Published by AWS as its test suite for Signature Version 4. */
const SUITE = {
  now: new Date('2015-08-30T12:36:00Z'),
  service: 'service',
  headers: [
    ['Host', 'example.amazonaws.com'],
    ['X-Amz-Date', '20150830T123600Z'],
  ] as [string, string][],
}

describe("AWS's test suite", () => {
  test.each([
    {
      name: 'get-vanilla',
      signature: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    },
    {
      name: 'get-vanilla-query-order-key-case',
      query: 'Param2=value2&Param1=value1',
      signature: 'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    },
    {
      name: 'get-header-value-trim',
      more: [
        ['My-Header1', ' value1'],
        ['My-Header2', ' "a   b   c"'],
      ],
      signature: 'acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736',
    },
    {
      name: 'get-header-key-duplicate',
      more: [
        ['My-Header1', 'value2'],
        ['My-Header1', 'value2'],
        ['My-Header1', 'value1'],
      ],
      signature: 'c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea',
    },
    {
      name: 'post-vanilla',
      method: 'POST',
      signature: '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
    },
    {
      name: 'post-x-www-form-urlencoded',
      method: 'POST',
      more: [['Content-Type', 'application/x-www-form-urlencoded']],
      body: 'Param1=value1',
      signature: 'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
    },
  ])('$name', ({ method = 'GET', query = '', more = [], body = '', signature }) => {
    const headers = [...SUITE.headers, ...(more as [string, string][])]
    const names = [...new Set(headers.map(([name]) => name.toLowerCase()))].sort().join(';')
    const credential = `Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request`
    const text = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names}, Signature=${signature}`
    const request = received({
      method,
      query,
      headers: [...headers, ['Authorization', text]],
      body,
    })
    expect(verify(request, SUITE)).toBe(ALICE)
    const other = { ...request, method: 'PUT' }
    expect(verify(other, SUITE)).toEqual(refused('wrong-signature', /does not match/))
  })
})

const FORM = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }

describe('Verifier.verify', () => {
  test.each<{ name: string; what: ToSign }>([
    { name: 'an empty body', what: {} },
    { name: 'a form', what: { headers: FORM, body: 'Action=DescribeTags&Version=2016-11-15' } },
    { name: 'bytes that are not UTF-8', what: { body: Buffer.from('ff00fe80', 'hex') } },
    {
      name: 'a query to be sorted',
      what: { query: { b: '1', a: '2', B: '3', 'a-': '', a0: 'z' } },
    },
    { name: 'one name with several values', what: { query: { a: ['z', 'y', '10', '9'] } } },
    { name: 'unicode in the query', what: { query: { 'ü 日本': "a+b c%20/~*'()!&=" } } },
    { name: 'spaces in a header', what: { headers: { 'x-note': '  a   b\t c  ' } } },
    { name: 'an empty header', what: { headers: { 'x-note': '' } } },
    { name: 'a session token', what: { who: BOB } },
    { name: 'unicode in the body', what: { headers: FORM, body: 'a=日本 ü' } },
    { name: 'JSON', what: { headers: { 'x-amz-target': 'T.Op' }, body: '{"a":1}' } },
  ])("accepts the SDK's signature over $name", async ({ what }) => {
    expect(verify(await signed(what))).toBe(what.who ?? ALICE)
    expect(verify(await signed({ ...what, method: 'GET' }))).toBe(what.who ?? ALICE)
  })

  test('takes a header that is repeated for its values with commas between them', async () => {
    const request = await signed({ headers: { 'x-note': 'b,a' } })
    const repeated = withHeaders(request, (fields) =>
      fields.flatMap(([name, value]) =>
        name === 'x-note'
          ? value.split(',').map((one): [string, string] => [name, ` ${one} `])
          : [[name, value]],
      ),
    )
    expect(repeated.headers.all('x-note')).toEqual([' b ', ' a '])
    expect(verify(repeated)).toBe(ALICE)
  })

  test.each<{ name: string; what: ToSign }>([
    { name: 'no parameters', what: {} },
    { name: 'parameters', what: { query: { Action: 'DescribeTags', 'Tag.1.Value': 'ü +/=' } } },
    { name: 'a session token', what: { who: BOB } },
    { name: 'a POST with a body', what: { method: 'POST', body: 'Action=DescribeTags' } },
    { name: 'a header that is signed', what: { headers: { 'x-note': 'a  b' } } },
  ])('accepts a URL signed by the SDK: $name', async ({ what }) => {
    expect(verify(await presigned(what))).toBe(what.who ?? ALICE)
  })

  test('takes a space of a URL as + or %20', async () => {
    const request = await signed({ method: 'GET', query: { Description: 'a b' } })
    expect(request.query).toBe('Description=a%20b')
    expect(verify({ ...request, query: 'Description=a+b' })).toBe(ALICE)
  })

  test.each([
    { name: 'the method', change: { method: 'GET' } },
    { name: 'the query', change: { query: 'a=2' } },
    { name: 'the body', change: { body: Buffer.from('b') } },
    { name: 'a signed header', header: ['x-note', 'other'] },
    { name: 'the host', header: ['host', 'evil.example'] },
    { name: 'the time', header: ['x-amz-date', '20260301T120001Z'] },
    { name: 'the service that is called', header: ['x-amz-target', 'Other.Op'] },
  ])('refuses a request that is not what was signed: $name', async ({ change = {}, header }) => {
    const headers = { 'x-note': 'note', 'x-amz-target': 'Target.Op' }
    const request = await signed({ query: { a: '1' }, headers, body: 'a' })
    // Without it the body's hash alone decides.
    const plain = { ...request, ...change }
    const changed = withHeaders(plain, (fields) =>
      fields.map(([name, value]) => (name === header?.[0] ? [name, header[1]!] : [name, value])),
    )
    expect(verify(request)).toBe(ALICE)
    const answer = verify(changed)
    expect(answer).toBeInstanceOf(Refused)
    expect(answer).toMatchObject({ refusal: 'wrong-signature' })
  })

  test.each([
    { later: 900, ok: true },
    { later: -900, ok: true },
    { later: 901, message: /^Signature expired/ },
    { later: -901, message: /^Signature not yet current/ },
    { later: 86_400, message: /^Signature expired/ },
  ])('with the clocks $later seconds apart', async ({ later, message }) => {
    const answer = verify(await signed(), { later })
    if (message === undefined) expect(answer).toBe(ALICE)
    else expect(answer).toEqual(refused('wrong-time', message))
  })

  test.each([
    { later: 300, expiresIn: 300 },
    { later: 301, expiresIn: 300, message: /^Signature expired/ },
    // What it says of its own life counts, not the clocks.
    { later: 3600, expiresIn: 3600 },
    { later: 61, expiresIn: 60, message: /^Signature expired/ },
    { later: 604_800, expiresIn: 604_800 },
    { later: -901, expiresIn: 3600, message: /^Signature not yet current/ },
  ])('a URL good for $expiresIn seconds, $later seconds later', async (row) => {
    const { later, expiresIn, message } = row
    const answer = verify(await presigned({ expiresIn }), { later })
    if (message === undefined) expect(answer).toBe(ALICE)
    else expect(answer).toEqual(refused('wrong-time', message))
  })

  test.each([
    {
      name: 'of another region',
      what: { region: 'eu-west-1' },
      message: /region, not 'us-east-1'/,
    },
    { name: 'of another service', what: { service: 's3' }, message: /service, not 'ec2'/ },
    { name: 'of Network Firewall', what: { service: 'network-firewall' }, message: /service/ },
  ])('refuses a signature $name', async ({ what, message }) => {
    expect(verify(await signed(what))).toEqual(refused('wrong-scope', message))
    expect(verify(await presigned(what))).toEqual(refused('wrong-scope', message))
  })

  test('refuses a scope of another day, or that ends otherwise', async () => {
    const request = await signed()
    const change = (from: string, to: string): ReceivedRequest =>
      withHeaders(request, (fields) =>
        fields.map(([name, value]) => [name, value.replace(from, to)]),
      )
    expect(verify(change('/20260301/', '/20260228/'))).toEqual(
      refused('wrong-scope', /date, not '20260301'/),
    )
    expect(verify(change('aws4_request', 'aws4_reqest'))).toEqual(
      refused('wrong-scope', /terminator/),
    )
  })

  test('refuses keys it does not know, secrets that are wrong, tokens that are not the key’s', async () => {
    const stranger = { ...ALICE, accessKeyId: 'AKIDNOBODY' }
    expect(verify(await signed({ who: stranger }))).toEqual(refused('unknown-key', /no such/))
    const guess = { ...ALICE, secretAccessKey: `${ALICE.secretAccessKey}x` }
    expect(verify(await signed({ who: guess }))).toEqual(refused('wrong-signature', /secret/))
    const old = { ...BOB, sessionToken: 'yesterday' }
    expect(verify(await signed({ who: old }))).toEqual(refused('unknown-key', /session token/))
    const { sessionToken: _, ...without } = BOB
    expect(verify(await signed({ who: without }))).toEqual(refused('unknown-key', /session token/))
    const extra = { ...ALICE, sessionToken: 'made up' }
    expect(verify(await signed({ who: extra }))).toEqual(refused('unknown-key', /session token/))
    expect(verify(await presigned({ who: old }))).toEqual(refused('unknown-key', /session token/))
  })

  test.each(['UNSIGNED-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'ab'.repeat(32)])(
    'refuses %s in place of the hash of the body',
    async (hash) => {
      const request = await signed({ headers: { 'x-amz-content-sha256': hash }, body: 'a' })
      expect(verify(request)).toEqual(refused('wrong-signature', /SHA-256 of the body/))
    },
  )

  test.each(['host', 'x-amz-date', 'x-amz-target', 'x-amz-security-token'])(
    'refuses a signature that leaves out %s',
    async (name) => {
      const request = await signed({ who: BOB, headers: { 'x-amz-target': 'T.Op' } })
      const without = withHeaders(request, (fields) =>
        fields.map(([field, value]) => [
          field,
          field === 'authorization'
            ? value
                .replace(new RegExp(`(SignedHeaders=|;)${name}(?=[;,])`), (_, before) =>
                  before === ';' ? '' : before,
                )
                .replace('SignedHeaders=;', 'SignedHeaders=')
            : value,
        ]),
      )
      expect(verify(request)).toBe(BOB)
      expect(verify(without)).toEqual(refused('wrong-signature', new RegExp(`${name} must be`)))
    },
  )

  test('refuses a date that is not signed, or of no day', async () => {
    const date = SIGNED_AT.toUTCString()
    const request = withHeaders(await signed(), (fields) =>
      fields.flatMap(([name, value]): [string, string][] => {
        if (name === 'x-amz-date') return [['Date', date]]
        return [[name, value.replace(';x-amz-date', '')]]
      }),
    )
    expect(verify(request)).toEqual(refused('wrong-signature', /date must be signed/))
    const noDay = withHeaders(await signed(), (fields) =>
      fields.map(([name, value]) => [name, value.replaceAll('20260301', '20260230')]),
    )
    expect(verify(noDay)).toEqual(refused('malformed-signature', /no such time/))
  })

  test('takes the names of signed headers in any order', async () => {
    const request = withHeaders(await signed(), (fields) =>
      fields.map(([name, value]) => [
        name,
        value.replace(/(?<=SignedHeaders=)[^,]+/, (list) => list.split(';').reverse().join(';')),
      ]),
    )
    expect(request.headers.get('authorization')).toContain('SignedHeaders=x-amz-date;')
    expect(verify(request)).toBe(ALICE)
  })

  test('refuses a header that came after the signature was made', async () => {
    const request = withHeaders(await signed(), (fields) => [...fields, ['x-amz-target', 'T.Op']])
    expect(verify(request)).toEqual(refused('wrong-signature', /x-amz-target must be signed/))
    const url = withHeaders(await presigned(), (fields) => [...fields, ['X-Amz-Target', 'T.Op']])
    expect(verify(url)).toEqual(refused('wrong-signature', /x-amz-target must be signed/))
  })

  test('refuses a signed header that got lost', async () => {
    const request = await signed({ headers: { 'x-note': 'a' } })
    const without = withHeaders(request, (fields) => fields.filter(([name]) => name !== 'x-note'))
    expect(verify(without)).toEqual(refused('wrong-signature', /x-note is missing/))
  })

  test('never accepts a request with one byte changed, seed 4', async () => {
    const random = new Random(4)
    const text = (request: ReceivedRequest): string => request.headers.get('authorization')!
    const request = await signed({ query: { a: 'b' }, body: 'Action=DescribeTags' })
    for (let round = 0; round < 400; round++) {
      const before = Buffer.from(text(request), 'latin1')
      const after = Buffer.from(before)
      after[random.below(after.length)]! ^= 1 << random.below(8)
      const changed = withHeaders(request, (fields) =>
        fields.map(([name, value]) => [
          name,
          name === 'authorization' ? after.toString('latin1') : value,
        ]),
      )
      const answer = verify(changed)
      // A space more or less between its parts is the same header.
      if (answer === ALICE)
        expect(after.toString('latin1').replace(/[ ,]/g, '')).toBe(
          before.toString('latin1').replace(/[ ,]/g, ''),
        )
      else expect(answer).toBeInstanceOf(Refused)
    }
  })
})

const HAS_BOTOCORE = spawnSync('python3', ['-c', 'import botocore']).status === 0

/** Signs what it reads, one JSON object a line, at the time of the machine. */
const SIGN = `
import json, sys
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
for line in sys.stdin:
    w = json.loads(line)
    credentials = Credentials(w['key'], w['secret'], w.get('token'))
    request = AWSRequest(method=w['method'], url='http://' + w['host'] + '/?' + w['query'],
                         headers=w['headers'], data=w['body'].encode())
    kind = SigV4QueryAuth if w['url'] else SigV4Auth
    kind(credentials, 'ec2', 'us-east-1').add_auth(request)
    made = request.prepare()
    print(json.dumps({'url': made.url, 'headers': [[k, v if isinstance(v, str) else v.decode()] for k, v in made.headers.items()]}))
`

/** As botocore escapes what it puts into URLs; its signer takes them as they stand. */
function escapeAll(text: string): string {
  const hex = (octet: string): string => `%${octet.charCodeAt(0).toString(16).toUpperCase()}`
  return encodeURIComponent(text).replace(/['()*!]/g, hex)
}

describe.skipIf(!HAS_BOTOCORE)('botocore (needs python3-botocore)', () => {
  test('signs what is accepted, in headers and URLs, seed 9', () => {
    const random = new Random(9)
    const words = ['a', 'B c', 'ü', '日本', '%', '+', '~', "'()*!", '=&', '', '/', '🦈', '-_.']
    const some = (): string => random.pick(words) + random.pick(words)
    const asked = Array.from({ length: 60 }, (_, index) => ({
      key: index % 3 === 0 ? BOB.accessKeyId : ALICE.accessKeyId,
      secret: index % 3 === 0 ? BOB.secretAccessKey : ALICE.secretAccessKey,
      ...(index % 3 === 0 ? { token: BOB.sessionToken } : {}),
      method: random.pick(['GET', 'POST']),
      host: HOST,
      query: Array.from(
        { length: random.below(4) },
        (_, at) => `${escapeAll(`p${at}${some()}`)}=${escapeAll(some())}`,
      ).join('&'),
      headers: { 'X-Note': ` ${random.pick(['a  b', 'c', '"d   e"'])} ` },
      // A GET of botocore's takes its parameters from the URL alone.
      body: '',
      url: index % 2 === 0,
    }))
    const lines = execFileSync('python3', ['-c', SIGN], {
      input: asked.map((one) => JSON.stringify(one)).join('\n'),
      encoding: 'utf8',
    })
    const made = lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)) as {
      url: string
      headers: [string, string][]
    }[]
    expect(made.length).toBe(asked.length)
    for (const [index, { url, headers }] of made.entries()) {
      const { method, key, body } = asked[index]!
      const query = url.split('?')[1] ?? ''
      const hasHost = headers.some(([name]) => name.toLowerCase() === 'host')
      const fields = hasHost ? headers : [...headers, ['Host', HOST] as const]
      const answer = verify(received({ method, query, headers: fields, body }), { now: new Date() })
      expect(answer, JSON.stringify(asked[index])).toMatchObject({ accessKeyId: key })
    }
  })
})
