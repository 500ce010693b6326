import { describe, expect, test } from 'vitest'
import { Refused } from '../../../src/aws/protocol/protocol.js'
import { readSignature } from '../../../src/aws/sigv4/signature.js'
import { presigned, received, signed } from './signed-request.js'

const CREDENTIAL = 'Credential=AKIDEXAMPLE/20260301/us-east-1/ec2/aws4_request'
const HEADERS = 'SignedHeaders=host;x-amz-date'
const SIGNATURE = `Signature=${'0'.repeat(64)}`
const DATE = '20260301T120000Z'

function fromHeader(authorization: string, date: [string, string][] = [['X-Amz-Date', DATE]]) {
  return readSignature(received({ headers: [['Authorization', authorization], ...date] }))
}

describe('readSignature', () => {
  test('reads the header of the SDK', async () => {
    expect(readSignature(await signed())).toMatchObject({
      accessKeyId: 'AKIDEXAMPLE',
      date: '20260301',
      region: 'us-east-1',
      service: 'ec2',
      terminator: 'aws4_request',
      signedHeaders: ['host', 'x-amz-content-sha256', 'x-amz-date'],
      signature: expect.stringMatching(/^[0-9a-f]{64}$/),
      timestamp: DATE,
      expiresSeconds: undefined,
    })
  })

  test('reads the URL of the SDK', async () => {
    expect(readSignature(await presigned())).toMatchObject({
      accessKeyId: 'AKIDEXAMPLE',
      signedHeaders: ['host'],
      timestamp: DATE,
      expiresSeconds: 300,
    })
  })

  test.each([
    `AWS4-HMAC-SHA256 ${CREDENTIAL},${HEADERS},${SIGNATURE}`,
    `AWS4-HMAC-SHA256  ${SIGNATURE} , ${CREDENTIAL} ,${HEADERS}`,
  ])('takes any spaces and any order: %s', (text) => {
    expect(fromHeader(text)).toMatchObject({ accessKeyId: 'AKIDEXAMPLE', timestamp: DATE })
  })

  test.each([
    ['Date', DATE],
    ['Date', 'Sun, 01 Mar 2026 12:00:00 GMT'],
  ])('takes %s: %s where there is no X-Amz-Date', (name, value) => {
    const text = `AWS4-HMAC-SHA256 ${CREDENTIAL}, ${HEADERS}, ${SIGNATURE}`
    expect(fromHeader(text, [[name, value]])).toMatchObject({ timestamp: DATE })
  })

  test('says that a request is not signed', () => {
    expect(readSignature(received({ headers: [], query: 'Action=X' }))).toMatchObject({
      refusal: 'missing-signature',
    })
  })

  const whole = [CREDENTIAL, HEADERS, SIGNATURE]
  test.each([
    ['', /begin with/],
    ['Bearer abc', /begin with/],
    ['AWS4-HMAC-SHA256', /begin with/],
    ['AWS4-ECDSA-P256-SHA256 x=y', /begin with/],
    ['AWS AKID:c2lnbmF0dXJl', /begin with/],
    ...whole.map((part): [string, RegExp] => [
      `AWS4-HMAC-SHA256 ${whole.filter((other) => other !== part).join(', ')}`,
      new RegExp(`no ${part.split('=')[0]}`),
    ]),
    [`AWS4-HMAC-SHA256 ${whole.join(', ')}, ${SIGNATURE}`, /twice/],
    [`AWS4-HMAC-SHA256 ${whole.join(', ')}, `, /Name=value/],
    [`AWS4-HMAC-SHA256 ${whole.join(' ')}`, /Name=value/],
    [`AWS4-HMAC-SHA256 Credential=AKID, ${HEADERS}, ${SIGNATURE}`, /Credential must be/],
    [
      `AWS4-HMAC-SHA256 Credential=A/20260301//ec2/aws4_request, ${HEADERS}, ${SIGNATURE}`,
      /Credential must be/,
    ],
    [
      `AWS4-HMAC-SHA256 Credential=A/b/20260301/r/ec2/aws4_request, ${HEADERS}, ${SIGNATURE}`,
      /Credential must be/,
    ],
    [`AWS4-HMAC-SHA256 ${CREDENTIAL}, SignedHeaders=Host, ${SIGNATURE}`, /SignedHeaders must be/],
    [
      `AWS4-HMAC-SHA256 ${CREDENTIAL}, SignedHeaders=host;host, ${SIGNATURE}`,
      /SignedHeaders must be/,
    ],
    [`AWS4-HMAC-SHA256 ${CREDENTIAL}, SignedHeaders=host;, ${SIGNATURE}`, /SignedHeaders must be/],
  ])('refuses the header %s', (text, message) => {
    expect(fromHeader(text)).toMatchObject({
      refusal: 'malformed-signature',
      message: expect.stringMatching(message),
    })
  })

  test.each([
    [[]],
    [[['X-Amz-Date', 'yesterday']]],
    [[['Date', 'yesterday']]],
    [
      [
        ['X-Amz-Date', DATE],
        ['X-Amz-Date', DATE],
      ],
    ],
  ])('refuses the date %j', (date) => {
    const text = `AWS4-HMAC-SHA256 ${whole.join(', ')}`
    expect(fromHeader(text, date as [string, string][])).toMatchObject({
      refusal: 'malformed-signature',
    })
  })

  test('refuses two headers, and a header beside a URL', async () => {
    const request = await signed()
    const one = request.headers.get('authorization')!
    const twice = received({
      headers: [
        ['Authorization', one],
        ['Authorization', one],
        ['X-Amz-Date', DATE],
      ],
    })
    expect(readSignature(twice)).toBeInstanceOf(Refused)
    const both = { ...request, query: (await presigned()).query }
    expect(readSignature(both)).toMatchObject({ message: expect.stringMatching(/not by both/) })
  })

  test.each([
    ...['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature'].map(
      (name): [RegExp, string, RegExp] => [
        new RegExp(`&?X-Amz-${name}=[^&]*`),
        '',
        new RegExp(`no X-Amz-${name}`),
      ],
    ),
    [/AWS4-HMAC-SHA256/, 'AWS4-HMAC-SHA512', /must be AWS4-HMAC-SHA256/],
    [/Expires=300/, 'Expires=0', /1 to 604800/],
    [/Expires=300/, 'Expires=604801', /1 to 604800/],
    [/Expires=300/, 'Expires=-1', /1 to 604800/],
    [/Expires=300/, 'Expires=1e3', /1 to 604800/],
    [/X-Amz-Date=\w+/, 'X-Amz-Date=now', /look like/],
    [/$/, '&a=%', /bad escape/],
    [/$/, '&X-Amz-Expires=604800', /given twice/],
  ])('refuses a URL with %s replaced by "%s"', async (from, to, message) => {
    const request = await presigned()
    const query = request.query.replace(from as RegExp, to as string).replace(/^&/, '')
    expect(readSignature({ ...request, query })).toMatchObject({
      refusal: 'malformed-signature',
      message: expect.stringMatching(message as RegExp),
    })
  })
})
