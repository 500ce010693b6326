import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ApiServer } from '../../../src/api/http/api-server.js'
import { AuditLog } from '../../../src/api/http/audit-log.js'
import { type Action, ApiError } from '../../../src/aws/protocol/action.js'
import { signRequest } from '../../../src/aws/sigv4/signer.js'
import { Random } from '../../support/random.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { ALICE, makeDispatcher, REGION, sendRaw, startApi } from '../running-api.js'

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }
const JSON_TYPE = { 'Content-Type': 'application/x-amz-json-1.0' }
const QUERY = 'Action=DescribeTags&Version=2016-11-15'

const echo: Action = { name: 'DescribeTags', run: (input) => ({ sent: JSON.stringify(input) }) }
const list: Action = { name: 'ListFlowOperations', run: (input) => ({ sent: input }) }

const OPEN = { credentials: 'none', ec2: [echo], networkFirewall: [list] } as const

/** A connection from an address of loopback, closed when the test ends. */
async function connected(port: number, localAddress: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  socket.on('error', () => undefined)
  return socket
}

const fine = {
  path: '/fine',
  answer: () => ({ status: 200, contentType: 'text/plain', body: 'fine' }),
}

interface Told {
  status: number
  type: string | null
  code: string | undefined
  body: string
}

async function told(response: Response): Promise<Told> {
  const body = await response.text()
  const code = /<Code>(.*?)<\/Code>|"__type":"(.*?)"/.exec(body)
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    code: code?.[1] ?? code?.[2],
    body,
  }
}

describe('ApiServer', () => {
  test('answers EC2 by GET and POST', async () => {
    const { url } = await startApi(OPEN)
    const asked = `${QUERY}&Filter.1.Name=key&Filter.1.Value.1=a+b%2Bc`
    const expected = '{"Filter":[{"Name":"key","Value":["a b+c"]}]}'
    const escaped = expected.replaceAll('"', '&quot;')
    for (const response of [
      await fetch(`${url}/?${asked}`),
      await fetch(url, { method: 'POST', headers: FORM, body: asked }),
      await fetch(url, { method: 'POST', headers: { 'Content-Type': '' }, body: asked }),
      await fetch(`${url}/?${QUERY}`, {
        method: 'POST',
        headers: FORM,
        body: asked.slice(QUERY.length),
      }),
    ]) {
      const id = response.headers.get('x-amzn-requestid')
      expect(id).toMatch(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      expect(await told(response)).toEqual({
        status: 200,
        type: 'text/xml;charset=UTF-8',
        code: undefined,
        body:
          '<?xml version="1.0" encoding="UTF-8"?>\n' +
          '<DescribeTagsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">' +
          `<requestId>${id}</requestId><sent>${escaped}</sent></DescribeTagsResponse>`,
      })
    }
  })

  test('answers a query that names no version', async () => {
    const { url } = await startApi(OPEN)
    expect(await told(await fetch(`${url}/?Action=DescribeTags`))).toMatchObject({
      status: 200,
      code: undefined,
    })
  })

  test('answers Network Firewall, which it knows by its target', async () => {
    const { url } = await startApi(OPEN)
    const headers = { ...JSON_TYPE, 'X-Amz-Target': 'NetworkFirewall_20201112.ListFlowOperations' }
    const response = await fetch(url, { method: 'POST', headers, body: '{"a":{"b":null,"c":[1]}}' })
    expect(response.headers.get('x-amzn-requestid')).toMatch(/^[0-9a-f-]{36}$/)
    expect(await told(response)).toEqual({
      status: 200,
      type: 'application/x-amz-json-1.0',
      code: undefined,
      body: '{"sent":{"a":{"c":[1]}}}',
    })
  })

  const target = (name: string) => ({ ...JSON_TYPE, 'X-Amz-Target': name })
  test.each<{ name: string; path?: string; init?: RequestInit; status: number; code: string }>([
    { name: 'nothing at all', status: 400, code: 'MissingAction' },
    { name: 'an empty action', path: '/?Action=', status: 400, code: 'MissingAction' },
    {
      name: 'an unknown action',
      path: '/?Action=Fly&Version=2016-11-15',
      status: 400,
      code: 'InvalidAction',
    },
    {
      name: 'an action of Object.prototype',
      path: '/?Action=constructor&Version=2016-11-15',
      status: 400,
      code: 'InvalidAction',
    },
    {
      name: 'an empty version',
      path: '/?Action=DescribeTags&Version=',
      status: 400,
      code: 'NoSuchVersion',
    },
    {
      name: 'another version',
      path: '/?Action=DescribeTags&Version=2014-10-01',
      status: 400,
      code: 'NoSuchVersion',
    },
    {
      name: 'two actions',
      path: `/?${QUERY}&Action=a`,
      status: 400,
      code: 'InvalidParameterCombination',
    },
    {
      name: 'a parameter given twice',
      path: `/?${QUERY}&a=1&a=2`,
      status: 400,
      code: 'InvalidParameterCombination',
    },
    { name: 'a bad escape', path: `/?${QUERY}&a=%zz`, status: 400, code: 'MalformedQueryString' },
    {
      name: 'a form that is not UTF-8',
      path: `/?${QUERY}&a=%ff`,
      status: 400,
      code: 'MalformedQueryString',
    },
    {
      name: 'a body of another type',
      init: { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: QUERY },
      status: 400,
      code: 'MalformedQueryString',
    },
    { name: 'another path', path: `/x?${QUERY}`, status: 404, code: 'InvalidAction' },
    {
      name: 'another method',
      init: { method: 'PUT', body: QUERY },
      status: 405,
      code: 'MethodNotAllowed',
    },
    { name: 'OPTIONS', init: { method: 'OPTIONS' }, status: 405, code: 'MethodNotAllowed' },
    { name: 'DELETE', init: { method: 'DELETE' }, status: 405, code: 'MethodNotAllowed' },
    {
      name: 'JSON without a target',
      init: { method: 'POST', headers: JSON_TYPE, body: '{}' },
      status: 400,
      code: 'UnknownOperationException',
    },
    {
      name: 'a target of another service',
      init: { method: 'POST', headers: target('DynamoDB_20120810.ListTables'), body: '{}' },
      status: 400,
      code: 'UnknownOperationException',
    },
    {
      name: 'an unknown target',
      init: { method: 'POST', headers: target('NetworkFirewall_20201112.Fly'), body: '{}' },
      status: 400,
      code: 'UnknownOperationException',
    },
    {
      name: 'broken JSON',
      init: {
        method: 'POST',
        headers: target('NetworkFirewall_20201112.ListFlowOperations'),
        body: '{',
      },
      status: 400,
      code: 'SerializationException',
    },
    {
      name: 'JSON that is no object',
      init: {
        method: 'POST',
        headers: target('NetworkFirewall_20201112.ListFlowOperations'),
        body: '[]',
      },
      status: 400,
      code: 'SerializationException',
    },
    {
      name: 'JSON nested too deep',
      init: {
        method: 'POST',
        headers: target('NetworkFirewall_20201112.ListFlowOperations'),
        body: `{"a":${'['.repeat(90_000)}${']'.repeat(90_000)}}`,
      },
      status: 400,
      code: 'SerializationException',
    },
  ])(
    'refuses $name in the shape of its service',
    async ({ path = '/', init = {}, status, code }) => {
      const { url, problems } = await startApi(OPEN)
      const response = await fetch(url + path, init)
      expect(response.headers.get('x-amzn-errortype')).toBe(code)
      if (status === 405) expect(response.headers.get('allow')).toBe('GET, POST')
      const isJson = code.endsWith('Exception')
      const type = isJson ? 'application/x-amz-json-1.0' : 'text/xml;charset=UTF-8'
      expect(await told(response)).toMatchObject({ status, type, code })
      expect(problems).toEqual([])
    },
  )

  test('knows Network Firewall by the scope of the signature alone', async () => {
    const { url } = await startApi()
    const Authorization =
      'AWS4-HMAC-SHA256 Credential=A/20260301/us-east-1/network-firewall/aws4_request'
    const response = await fetch(url, { method: 'POST', headers: { ...FORM, Authorization } })
    expect(await told(response)).toMatchObject({
      status: 400,
      code: 'IncompleteSignatureException',
    })
  })

  test('tells a client nothing of a bug, and the operator everything', async () => {
    const bug: Action = {
      name: 'DescribeTags',
      run: () => {
        throw new TypeError('secret detail')
      },
    }
    const late: Action = {
      ...bug,
      name: 'CreateTags',
      run: () => Promise.reject('no error at all'),
    }
    const { url, problems } = await startApi({ ...OPEN, ec2: [bug, late] })
    for (const action of ['DescribeTags', 'CreateTags']) {
      const answer = await told(await fetch(`${url}/?Action=${action}&Version=2016-11-15`))
      expect(answer).toMatchObject({ status: 500, code: 'InternalError' })
      expect(answer.body).not.toMatch(/secret|TypeError|at /)
    }
    expect(problems[0]).toMatch(/^API: a bug in DescribeTags, .*TypeError: secret detail\n/)
    expect(problems[1]).toMatch(/^API: a bug in CreateTags, .*no error at all/)
  })

  test('hands over what an action refuses', async () => {
    const no: Action = {
      name: 'DescribeTags',
      run: () => {
        throw new ApiError('DryRunOperation', 'Would <have> worked.', 412)
      },
    }
    const { url } = await startApi({ ...OPEN, ec2: [no] })
    const response = await fetch(`${url}/?${QUERY}`)
    const id = response.headers.get('x-amzn-requestid')
    expect((await told(response)).body).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>DryRunOperation</Code>' +
        `<Message>Would &lt;have&gt; worked.</Message></Error></Errors><RequestID>${id}</RequestID></Response>`,
    )
    expect(response.status).toBe(412)
  })
})

describe('pages', () => {
  test('are there for GET and HEAD, without a signature', async () => {
    const { url } = await startApi()
    const got = await fetch(`${url}/health?x=1`)
    expect(got.status).toBe(200)
    const text = await got.text()
    expect(JSON.parse(text)).toMatchObject({ status: 'ok', failures: [] })
    const head = await fetch(`${url}/health`, { method: 'HEAD' })
    expect(head.status).toBe(200)
    expect(Number(head.headers.get('content-length'))).toBe(text.length)
    const post = await fetch(`${url}/health`, { method: 'POST', body: 'x' })
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  test('may be at /, where EC2 keeps its queries', async () => {
    const page = { status: 200, contentType: 'text/html', body: Buffer.from('hello') }
    const routes = [{ path: '/', answer: () => Promise.resolve(page) }]
    const { url } = await startApi({ ...OPEN, routes })
    expect(await (await fetch(url)).text()).toBe('hello')
    expect(await told(await fetch(`${url}/?${QUERY}`))).toMatchObject({ status: 200 })
    const post = await fetch(url, { method: 'POST', headers: FORM, body: QUERY })
    expect((await told(post)).type).toBe('text/xml;charset=UTF-8')
  })

  test('that fail cost one connection', async () => {
    const routes = [{ path: '/bad', answer: () => Promise.reject(new Error('bad page')) }, fine]
    const { url, problems } = await startApi({ routes })
    await expect(fetch(`${url}/bad`)).rejects.toThrow()
    expect(problems).toEqual([
      expect.stringMatching(/^API: a bug, please report it: Error: bad page/),
    ])
    expect((await fetch(`${url}/fine`)).status).toBe(200)
  })
})

describe('limits', () => {
  const body = (length: number): string => `${QUERY}&a=`.padEnd(length, 'x')

  test.each([
    { length: 1000, status: 200 },
    { length: 1001, status: 413 },
    { length: 3999, status: 413 },
    { length: 1_000_000, status: 413 },
  ])('a body of $length bytes, where 1000 are allowed', async ({ length, status }) => {
    const { server } = await startApi({ ...OPEN, limits: { bodyBytes: 1000 } })
    const close = 'Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n'
    const head = `POST / HTTP/1.1\r\nHost: localhost\r\n${close}`
    const plain = await sendRaw(
      server.port,
      `${head}Content-Length: ${length}\r\n\r\n${body(length)}`,
    )
    const chunk = `${length.toString(16)}\r\n${body(length)}\r\n0\r\n\r\n`
    const chunked = await sendRaw(server.port, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}`)
    // What a sender that does not stop gets to see is its kernel's choice.
    for (const answer of length < 4000 ? [plain, chunked] : []) {
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
      if (status === 413) expect(answer).toContain('<Code>RequestEntityTooLarge</Code>')
    }
    expect((await fetch(`${server.url}/health`)).status).toBe(200)
  })

  test('a body without end', async () => {
    const { server } = await startApi({ ...OPEN, limits: { bodyBytes: 1000 } })
    const head = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n'
    // Sent in full, and then nothing: the answer does not wait for the rest.
    expect(await sendRaw(server.port, head, 'x'.repeat(4001))).toMatch(/^HTTP\/1.1 413 /)
  })

  test('a body announced as too long is refused before it comes', async () => {
    const { server } = await startApi({ ...OPEN, limits: { bodyBytes: 1000 } })
    const head = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n'
    expect(await sendRaw(server.port, head)).toMatch(/^HTTP\/1.1 413 /)
  })

  test.each([
    { what: 'rubbish', rubbish: '\0\x01 no HTTP\r\n\r\n' },
    { what: 'much rubbish', rubbish: '\0'.repeat(100_000) },
    { what: 'half a request', rubbish: 'GET / HT' },
  ])('a request with $what behind it is answered', async ({ rubbish }) => {
    let isDone = false
    const slow: Action = {
      name: 'DescribeTags',
      run: async () => {
        await new Promise((resolve) => setImmediate(resolve))
        isDone = true
        return { done: true }
      },
    }
    const { server } = await startApi({ ...OPEN, ec2: [slow], limits: { headersMs: 50 } })
    for (const path of [`/?${QUERY}`, '/health']) {
      const ask = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
      const answer = await sendRaw(server.port, ask + ask + rubbish)
      expect(answer).toMatch(/^HTTP\/1.1 200 /)
      expect(answer.match(/HTTP\/1.1 200 /g)).toHaveLength(2)
    }
    expect(isDone).toBe(true)
  })

  test('a body that is too long for Network Firewall', async () => {
    const { url } = await startApi({ ...OPEN, limits: { bodyBytes: 1000 } })
    const headers = { ...JSON_TYPE, 'X-Amz-Target': 'NetworkFirewall_20201112.ListFlowOperations' }
    const response = await fetch(url, { method: 'POST', headers, body: 'x'.repeat(1001) })
    expect(await told(response)).toMatchObject({
      status: 413,
      code: 'RequestEntityTooLargeException',
    })
  })

  test('header fields', async () => {
    const { server } = await startApi(OPEN)
    const filler = `X-A: ${'a'.repeat(20_000)}\r\n`
    const answer = await sendRaw(server.port, `GET / HTTP/1.1\r\nHost: localhost\r\n${filler}\r\n`)
    expect(answer).toMatch(/^HTTP\/1.1 431 Request Header Fields Too Large\r\n/)
    expect(answer).toContain('<Code>MalformedQueryString</Code>')
    expect(answer).not.toMatch(/ at |\.ts|\.js/)
  })

  test.each([
    { name: 'header fields', sent: 'POST / HTTP/1.1\r\nHost: loc' },
    {
      name: 'the body',
      sent: 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc',
    },
    {
      name: 'a chunk',
      sent: 'POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nff\r\na',
    },
  ])('clients that never finish $name', async ({ sent }) => {
    const { server } = await startApi({ ...OPEN, limits: { headersMs: 50, requestMs: 50 } })
    const answer = await sendRaw(server.port, sent)
    expect(answer).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n/)
  })

  test('clients that say nothing, or read nothing', async () => {
    const { server } = await startApi({ ...OPEN, limits: { idleMs: 50, headersMs: 50 } })
    await sendRaw(server.port)
    let isAsked = false
    // More than the kernel keeps for either end.
    const body = Buffer.alloc(100_000_000)
    const answer = () => {
      isAsked = true
      return { status: 200, contentType: 'text/plain', body }
    }
    const routes = [{ path: '/large', answer }]
    const big = await startApi({ routes, limits: { idleMs: 100, closeMs: 60_000 } })
    const socket = connect(big.server.port, '127.0.0.1').pause()
    socket.on('error', () => undefined)
    socket.write('GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await expect.poll(() => isAsked).toBe(true)
    // Only the server can end it: the client does not read.
    await big.server.close()
    socket.destroy()
  })

  test('requests at work: more are told to come back', async () => {
    const gates: (() => void)[] = []
    const slow: Action = {
      name: 'DescribeTags',
      run: () => new Promise((resolve) => gates.push(() => resolve({ done: true }))),
    }
    const api = await startApi({
      ...OPEN,
      ec2: [slow],
      networkFirewall: [list],
      limits: { requests: 2 },
    })
    const first = [fetch(`${api.url}/?${QUERY}`), fetch(`${api.url}/?${QUERY}`)]
    await expect.poll(() => gates.length).toBe(2)
    expect(await told(await fetch(`${api.url}/?${QUERY}`))).toMatchObject({
      status: 503,
      code: 'RequestLimitExceeded',
    })
    const headers = { 'X-Amz-Target': 'NetworkFirewall_20201112.ListFlowOperations' }
    const json = await fetch(api.url, { method: 'POST', headers, body: '{}' })
    expect(await told(json)).toMatchObject({ status: 503, code: 'ThrottlingException' })
    expect(api.server.turnedAway).toBe(2)
    // Health is no request for work.
    expect((await fetch(`${api.url}/health`)).status).toBe(200)
    for (const open of gates) open()
    for (const response of await Promise.all(first)) expect(response.status).toBe(200)
    const after = fetch(`${api.url}/?${QUERY}`)
    await expect.poll(() => gates.length).toBe(3)
    gates[2]!()
    expect((await after).status).toBe(200)
  })

  test('connections: the one idle longest makes room for the next', async () => {
    const { server, url } = await startApi({ ...OPEN, limits: { connections: 3 } })
    const ask = 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'
    const idle = sendRaw(server.port)
    const half = sendRaw(
      server.port,
      'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc',
    )
    const socket = connect(server.port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    socket.write(ask)
    await once(socket, 'data')
    for (let at = 0; at < 2; at++)
      expect(
        await sendRaw(server.port, ask.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')),
      ).toMatch(/^HTTP\/1.1 200 /)
    expect(await Promise.race([idle, half])).toBe('')
    expect(server.counts.connectionsEvicted).toBeGreaterThan(0)
    expect((await fetch(`${url}/health`)).status).toBe(200)
  })

  test('hundreds of idle connections lock nobody out', async () => {
    const { server, url } = await startApi(OPEN)
    // One that another client keeps for later.
    const kept = await connected(server.port, '127.0.0.2')
    await Promise.all(Array.from({ length: 600 }, () => connected(server.port, '127.0.0.1')))
    expect((await fetch(`${url}/health`)).status).toBe(200)
    expect((await fetch(`${url}/?${QUERY}`)).status).toBe(200)
    kept.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(String((await once(kept, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /)
    const { connections, connectionsEvicted } = server.counts
    expect(connections).toBeLessThanOrEqual(258)
    expect(connectionsEvicted).toBeGreaterThanOrEqual(600 - 256)
  })

  test('connections that are at work leave room for other clients', async () => {
    const gates: (() => void)[] = []
    const slow: Action = {
      name: 'DescribeTags',
      run: () => new Promise((resolve) => gates.push(() => resolve({ done: true }))),
    }
    const limits = { connections: 6, connectionsOfClient: 3 }
    const { server } = await startApi({ ...OPEN, ec2: [slow], limits })
    for (let at = 0; at < 3; at++) {
      const socket = await connected(server.port, '127.0.0.1')
      socket.write(`GET /?${QUERY} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    }
    await expect.poll(() => gates.length).toBe(3)
    const fourth = await connected(server.port, '127.0.0.1')
    if (!fourth.closed) await once(fourth, 'close')
    expect(server.counts).toMatchObject({ connectionsRefused: 1, connectionsEvicted: 0 })
    const other = await connected(server.port, '127.0.0.2')
    other.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(String((await once(other, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /)
    for (const open of gates) open()
  })

  test('bodies on their way: the longest on its way makes room', async () => {
    const { server, url } = await startApi({ ...OPEN, limits: { bodiesBytes: 64 * 1024 } })
    const head = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n'
    const answers = [1, 2, 3].map(() => sendRaw(server.port, head, 'x'.repeat(30_000)))
    expect(await Promise.race(answers)).toMatch(/^HTTP\/1.1 503 /)
    const answer = await fetch(url, { method: 'POST', headers: FORM, body: QUERY })
    expect(answer.status).toBe(200)
  })

  test('bodies of nobody knows whom take no room from those whose head is signed', async () => {
    const { server, url } = await startApi({ ec2: [echo], limits: { bodiesBytes: 32 * 1024 } })
    const form = Buffer.from(body(30_000))
    const hash = createHash('sha256').update(form).digest('hex')
    const headOf = (headers: Record<string, string>): string => {
      const host = new URL(url).host
      const unsigned = { host, 'content-length': '30000', ...FORM, ...headers }
      const request = { method: 'POST', headers: unsigned, body: form } as const
      const scope = { region: REGION, service: 'ec2', at: new Date() }
      const fields = Object.entries(signRequest(request, ALICE, scope))
      return `POST / HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
    }
    const proven = await connected(server.port, '127.0.0.1')
    proven.write(headOf({ 'x-amz-content-sha256': hash }))
    proven.write(form.subarray(0, 29_000))
    const others = Array.from({ length: 8 }, () =>
      sendRaw(server.port, headOf({}), form.subarray(0, 29_000)),
    )
    expect(await Promise.race(others)).toMatch(/^HTTP\/1.1 503 /)
    await expect.poll(() => server.counts.bodiesGivenUp).toBeGreaterThanOrEqual(6)
    proven.write(form.subarray(29_000))
    expect(String((await once(proven, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /)
    proven.destroy()
  })

  test('a client that goes half-way leaves nothing behind', async () => {
    const api = await startApi({ ...OPEN, limits: { requests: 1 } })
    for (let round = 0; round < 5; round++) {
      const socket = connect(api.server.port, '127.0.0.1')
      await once(socket, 'connect')
      socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc')
      socket.resetAndDestroy()
    }
    expect(await told(await fetch(`${api.url}/?${QUERY}`))).toMatchObject({ status: 200 })
    expect(api.problems).toEqual([])
  })
})

describe('a head that proves nothing', () => {
  const UNSIGNED = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n'
  const DAY = new Date().toISOString().slice(0, 10).replaceAll('-', '')
  const NOW = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const signedBy = (key: string, more = ''): string => {
    const names = `host${more === '' ? '' : ';x-amz-content-sha256'};x-amz-date`
    const credential = `Credential=${key}/${DAY}/${REGION}/ec2/aws4_request`
    const authorization = `${credential}, SignedHeaders=${names}, Signature=${'0'.repeat(64)}`
    return `${UNSIGNED}X-Amz-Date: ${NOW}\r\n${more}Authorization: AWS4-HMAC-SHA256 ${authorization}\r\n`
  }
  test.each([
    { name: 'no signature', head: UNSIGNED, code: 'MissingAuthenticationToken' },
    { name: 'an unknown key', head: signedBy('AKIDNOBODY'), code: 'AuthFailure' },
    {
      name: 'a wrong signature over the hash of the body',
      head: signedBy(ALICE.accessKeyId, `X-Amz-Content-SHA256: ${'0'.repeat(64)}\r\n`),
      code: 'AuthFailure',
    },
    {
      name: 'a body that is not signed',
      head: signedBy(ALICE.accessKeyId, 'X-Amz-Content-SHA256: UNSIGNED-PAYLOAD\r\n'),
      code: 'AuthFailure',
    },
    {
      name: 'no signature, and a question first',
      head: `${UNSIGNED}Expect: 100-continue\r\n`,
      code: 'MissingAuthenticationToken',
    },
  ])('is answered before its body comes: $name', async ({ head, code }) => {
    const audit = await AuditLog.open(join(temporaryDirectory(), 'audit'), () => undefined)
    for (const setting of [{}, { audit }]) {
      const { server } = await startApi({ ec2: [echo], ...setting })
      const socket = await connected(server.port, '127.0.0.1')
      socket.write(`${head}\r\n`)
      const [answer] = (await once(socket, 'data')) as [Buffer]
      expect(answer.toString()).toMatch(/^HTTP\/1.1 40[13] /)
      expect(answer.toString()).toContain(`<Code>${code}</Code>`)
    }
  })

  test('has its change in the audit log, once the body says which, and the connection goes on', async () => {
    const path = join(temporaryDirectory(), 'audit')
    const audit = await AuditLog.open(path, () => undefined)
    const create: Action = { name: 'CreateTags', run: () => ({}) }
    const { server } = await startApi({ ec2: [create], audit })
    const socket = await connected(server.port, '127.0.0.1')
    const form = 'Action=CreateTags&Version=2016-11-15'
    for (let round = 1; round <= 2; round++) {
      socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${form.length}\r\n\r\n`)
      expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 403 /)
      socket.write(form)
      await expect.poll(() => readFileSync(path, 'utf8').match(/"CreateTags"/g)).toHaveLength(round)
    }
  })
})

describe('ApiServer.close', () => {
  test('lets requests at work end, and takes no more', async () => {
    let open: (() => void) | undefined
    const slow: Action = {
      name: 'DescribeTags',
      run: () =>
        new Promise((resolve) => {
          open = () => resolve({ done: true })
        }),
    }
    const { server, url, dispatcher } = await startApi({
      ...OPEN,
      ec2: [slow],
      limits: { closeMs: 60_000 },
    })
    const asked = sendRaw(server.port, `GET /?${QUERY} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    const idle = sendRaw(server.port)
    await expect.poll(() => open).toBeDefined()
    const closed = server.close()
    await idle
    await expect(fetch(url)).rejects.toThrow()
    open!()
    const answer = await asked
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    expect(answer).toMatch(/\r\nConnection: close\r\n/)
    await closed
    expect(dispatcher.counts.answered).toBe(1)
  })

  test('cuts no reply that is being read', async () => {
    let isAsked = false
    // More than the kernel keeps for either end.
    const body = Buffer.alloc(100_000_000)
    const answer = () => {
      isAsked = true
      return { status: 200, contentType: 'text/plain', body }
    }
    const { server } = await startApi({
      routes: [{ path: '/large', answer }],
      limits: { closeMs: 60_000 },
    })
    const socket = connect(server.port, '127.0.0.1').pause()
    socket.write('GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await expect.poll(() => isAsked).toBe(true)
    const closed = server.close()
    let length = 0
    socket.on('data', (bytes: Buffer) => {
      length += bytes.length
    })
    socket.resume()
    await Promise.all([closed, once(socket, 'close')])
    expect(length).toBeGreaterThan(body.length)
  })

  test('does not wait for ever', async () => {
    let isAsked = false
    const stuck: Action = {
      name: 'DescribeTags',
      run: () => {
        isAsked = true
        return new Promise(() => undefined)
      },
    }
    const { server } = await startApi({ ...OPEN, ec2: [stuck], limits: { closeMs: 50 } })
    const asked = sendRaw(server.port, `GET /?${QUERY} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    await expect.poll(() => isAsked).toBe(true)
    await server.close()
    expect(await asked).toBe('')
  })
})

describe('ApiServer.start', () => {
  test('says in one line that the port is taken, and what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    onTestFinished(() => void other.close())
    const { port } = other.address() as { port: number }
    const { dispatcher } = makeDispatcher()
    const start = ApiServer.start({
      host: '127.0.0.1',
      port,
      dispatcher,
      routes: [],
      onProblem: () => undefined,
    })
    await expect(start).rejects.toMatchObject({
      name: 'OperatorError',
      message: `the API cannot listen on 127.0.0.1:${port}: it is taken; name another with --api ADDR:PORT, or --no-api (EADDRINUSE)`,
    })
  })

  test('listens on IPv6', async () => {
    const { dispatcher } = makeDispatcher()
    const server = await ApiServer.start({
      host: '::1',
      port: 0,
      dispatcher,
      routes: [fine],
      onProblem: () => undefined,
    })
    onTestFinished(() => server.close())
    expect(server.url).toBe(`http://[::1]:${server.port}`)
    expect((await fetch(`${server.url}/fine`)).status).toBe(200)
  })
})

/** What a valid request may look like, to be damaged. */
const SEEDS = [
  `GET /?${QUERY} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${QUERY.length}\r\n\r\n${QUERY}`,
  `POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nActio\r\n0\r\n\r\n`,
  'POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: NetworkFirewall_20201112.ListFlowOperations\r\nContent-Length: 7\r\n\r\n{"a":1}',
  'POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Date: 20260301T120000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260301/us-east-1/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature=00\r\nContent-Length: 0\r\n\r\n',
  'GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F1%2F2%2F3%2F4&X-Amz-Date=20260301T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00 HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET /health HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  'CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
]

describe('fuzzing', () => {
  test.each([1, 2])('any bytes get an answer or a closed connection, seed %i', async (seed) => {
    const random = new Random(seed)
    for (const credentials of ['none', undefined] as const) {
      const limits = { headersMs: 50, requestMs: 50, idleMs: 300, keepAliveMs: 50, bodyBytes: 1000 }
      const setting = credentials === undefined ? {} : { credentials }
      const { server, problems } = await startApi({ ...OPEN, credentials: [], ...setting, limits })
      const sent = Array.from({ length: 100 }, () => damage(random, random.pick(SEEDS)))
      const answers = await Promise.all(sent.map((bytes) => sendRaw(server.port, bytes)))
      for (const [index, answer] of answers.entries()) {
        const shown = sent[index]!.toString('latin1')
        expect(answer, shown).toMatch(/^(?:HTTP\/1\.1 [1245]\d\d |$)/)
        expect(answer, shown).not.toMatch(/^HTTP\/1\.1 500|node:|\.[tj]s:\d|at \w+ \(/)
      }
      expect(problems).toEqual([])
      expect((await fetch(`${server.url}/health`)).status).toBe(200)
    }
  })
})

function damage(random: Random, request: string): Buffer {
  const bytes = Buffer.from(request, 'latin1')
  for (let flips = random.below(4); flips > 0; flips--) {
    bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
  }
  const at = random.below(bytes.length)
  switch (random.below(5)) {
    case 0:
      return bytes.subarray(0, at)
    case 1:
      return Buffer.concat([
        bytes.subarray(0, at),
        random.bytes(random.below(50)),
        bytes.subarray(at),
      ])
    case 2:
      return Buffer.concat([bytes, bytes])
    default:
      return bytes
  }
}
