import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { TcpCheck } from '../../../src/api/http/tcp-check.js'

const HOST = '127.0.0.1'

/** A port that nothing listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Whether a connection is taken. */
async function answers(port: number): Promise<boolean> {
  const socket = connect(port, HOST)
  const isTaken = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  if (isTaken) await once(socket.resume(), 'close')
  return isTaken
}

test('takes connections, and closes them, while the appliance is ready', async () => {
  let ready = true
  const port = await freePort()
  const check = await TcpCheck.start({
    host: HOST,
    port,
    isReady: () => ready,
    onProblem: (line) => expect.fail(line),
  })
  onTestFinished(() => check.close())
  expect(await answers(port)).toBe(true)
  ready = false
  await expect.poll(() => answers(port)).toBe(false)
  ready = true
  await expect.poll(() => answers(port)).toBe(true)
  await check.close()
  expect(await answers(port)).toBe(false)
})

test('a port that is taken is said once, and had when it is free', async () => {
  const other = createServer().listen(0, HOST)
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const said: string[] = []
  const onProblem = (line: string) => said.push(line)
  const check = await TcpCheck.start({ host: HOST, port, isReady: () => true, onProblem })
  onTestFinished(() => check.close())
  expect(said).toEqual([
    expect.stringMatching(/^TCP port \d+, .* cannot be had \(EADDRINUSE\); .*--no-tcp-check$/),
  ])
  other.close()
  await once(other, 'close')
  await expect.poll(() => answers(port)).toBe(true)
  expect(said).toHaveLength(1)
})
