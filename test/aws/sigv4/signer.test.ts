import { execFileSync, spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { Refused } from '../../../src/aws/protocol/protocol.js'
import type { Credential } from '../../../src/aws/sigv4/credentials.js'
import { signRequest } from '../../../src/aws/sigv4/signer.js'
import { Verifier } from '../../../src/aws/sigv4/verifier.js'
import { ALICE, BOB, REGION } from '../../api/running-api.js'
import { Random } from '../../support/random.js'
import { HOST, received, SIGNED_AT, signed } from './signed-request.js'

const FORM = 'application/x-www-form-urlencoded; charset=utf-8'
const WORDS = ['a', 'B c', 'ü', '日本', '%', '+', '~', "'()*!", '=&', '', '/', '🦈', '-_.']

interface Case {
  who: Credential
  note: string
  body: string
}

function cases(seed: number, count: number): Case[] {
  const random = new Random(seed)
  return Array.from({ length: count }, (_, index) => ({
    who: index % 3 === 0 ? BOB : ALICE,
    note: `${random.pick(['a  b', 'c', '"d   e"', 'x\t y'])}`,
    body: new URLSearchParams({
      Action: 'DescribeTrafficMirrorSessions',
      'Filter.1.Value.1': random.pick(WORDS) + random.pick(WORDS),
    }).toString(),
  }))
}

const headersOf = ({ note }: Case) => ({ host: HOST, 'content-type': FORM, 'x-note': note })

function sign(one: Case, at = SIGNED_AT): Record<string, string> {
  const request = { method: 'POST', headers: headersOf(one), body: Buffer.from(one.body) } as const
  return signRequest(request, one.who, { region: REGION, service: 'ec2', at })
}

describe('signRequest', () => {
  const verifier = new Verifier({
    credentials: new Map([ALICE, BOB].map((who) => [who.accessKeyId, who])),
    region: REGION,
    skewSeconds: 0,
    now: () => SIGNED_AT.getTime(),
  })

  test('is accepted by Verifier, and refused when a byte of it is another, seed 4', () => {
    const random = new Random(4)
    for (const one of cases(4, 30)) {
      const headers = Object.entries(sign(one))
      const request = received({ headers, body: one.body })
      expect(verifier.verify(request, 'ec2')).toBe(one.who)
      const bytes = Buffer.from(one.body)
      bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
      expect(verifier.verify({ ...request, body: bytes }, 'ec2')).toBeInstanceOf(Refused)
    }
  })

  test("makes the signature that the AWS SDK's signer makes, seed 5", async () => {
    for (const one of cases(5, 30)) {
      const { body, who } = one
      // That one signs the hash of the body as a header too.
      const theirs = await signed({ headers: headersOf(one), body, who })
      const hash = theirs.headers.get('x-amz-content-sha256')!
      const headers = { ...headersOf(one), 'x-amz-content-sha256': hash }
      const request = { method: 'POST', headers, body: Buffer.from(body) } as const
      const ours = signRequest(request, who, { region: REGION, service: 'ec2', at: SIGNED_AT })
      expect(ours['authorization']).toBe(theirs.headers.get('authorization'))
    }
  })

  const hasBotocore = spawnSync('python3', ['-c', 'import botocore']).status === 0
  test.skipIf(!hasBotocore)(
    'makes the signature of botocore, seed 6 (needs python3-botocore)',
    () => {
      const asked = cases(6, 30)
      const lines = execFileSync('python3', ['-c', SIGN], {
        input: JSON.stringify(asked.map((one) => ({ ...one, headers: headersOf(one) }))),
        encoding: 'utf8',
      })
      const theirs = JSON.parse(lines) as { authorization: string; date: string }[]
      expect(theirs).toHaveLength(asked.length)
      for (const [index, { authorization, date }] of theirs.entries()) {
        const iso = date.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5')
        const ours = sign(asked[index]!, new Date(iso))
        expect([ours['x-amz-date'], ours['authorization']]).toEqual([date, authorization])
      }
    },
  )
})

/** Signs a list of requests at the time of the machine. */
const SIGN = `
import json, sys
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
out = []
for w in json.load(sys.stdin):
    who = w['who']
    credentials = Credentials(who['accessKeyId'], who['secretAccessKey'], who.get('sessionToken'))
    request = AWSRequest(method='POST', url='http://' + w['headers']['host'] + '/',
                         headers=w['headers'], data=w['body'].encode())
    SigV4Auth(credentials, 'ec2', '${REGION}').add_auth(request)
    out.append({'authorization': request.headers['Authorization'], 'date': request.headers['X-Amz-Date']})
print(json.dumps(out))
`
