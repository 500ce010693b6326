import { describe, expect, test } from 'vitest'
import { CallFailure } from '../../../src/aws/follow/ec2-client.js'
import type { MirrorResources } from '../../../src/aws/follow/mirror-resources.js'
import { SessionFollower } from '../../../src/aws/follow/session-follower.js'
import { OperatorError } from '../../../src/errors.js'

const resources = (vni: number): MirrorResources => ({
  sessions: [
    {
      id: 'tms-1',
      ownerId: '',
      networkInterfaceId: 'eni-1',
      targetId: 'tmt-1',
      filterId: 'tmf-1',
      sessionNumber: 1,
      virtualNetworkId: vni,
      tags: [],
    },
  ],
  filters: [],
  targets: [],
})

const away = new CallFailure('http://x does not answer (ECONNREFUSED)')
const refused = new CallFailure('http://x refuses: AuthFailure', true)

type Step = number | Error

/** Follows until there are no more answers. Numbers are VNIs; `takes`: what onChange does with each change. */
async function follow(
  answers: readonly Step[],
  takes: readonly (Error | undefined)[] = [],
  knownSince?: number,
) {
  const stop = new AbortController()
  const left = [...answers]
  const lines: string[] = []
  const vnis: number[] = []
  const pauses: number[] = []
  const changes = [...takes]
  const follower = new SessionFollower({
    read: async () => {
      const answer = left.shift()!
      if (left.length === 0) queueMicrotask(() => stop.abort())
      if (answer instanceof Error) throw answer
      return resources(answer)
    },
    onChange: (known) => {
      const failure = changes.shift()
      if (failure !== undefined) throw failure
      vnis.push(known.sessions[0]!.virtualNetworkId)
    },
    say: (line) => lines.push(line),
    intervalMs: 1000,
    knownSince,
    signal: stop.signal,
    sleep: async (ms) => void pauses.push(ms),
    random: () => 0.5,
  })
  const failure = await (knownSince === undefined ? follower.start() : undefined)?.then(
    () => undefined,
    (error: Error) => error,
  )
  if (failure === undefined) await follower.run()
  return { lines, vnis, pauses, failure }
}

describe('SessionFollower', () => {
  test('tells of the first sessions, and of each change once', async () => {
    const { lines, vnis } = await follow([1, 1, 2, 2, 2, 1, 1, 1])
    expect([vnis, lines]).toEqual([[1, 2, 1], []])
  })

  test('says once that nobody answers, keeps what it knows, and says once that somebody does', async () => {
    const { lines, vnis, pauses } = await follow([1, away, away, refused, 1, away, 2, 2])
    expect(lines).toEqual([
      `${away.message}; going on with the sessions last known`,
      'the mirror sessions can be had again',
      `${away.message}; going on with the sessions last known`,
      'the mirror sessions can be had again',
    ])
    expect(vnis).toEqual([1, 2])
    expect(pauses.slice(0, 5)).toEqual([1000, 2000, 4000, 8000, 1000])
  })

  test('goes on with what an earlier run has kept, refused or not, and says once how old it is', async () => {
    const { lines, vnis, failure } = await follow([refused, away, 1, 1], [], 0)
    expect([failure, vnis]).toEqual([undefined, [1]])
    expect(lines).toEqual([
      `${refused.message}; going on with the sessions as they were at 1970-01-01T00:00:00.000Z`,
      'the mirror sessions can be had again',
    ])
  })

  test('waits for the first answer', async () => {
    const { lines, vnis, failure } = await follow([away, away, 5, 5])
    expect([vnis, failure]).toEqual([[5], undefined])
    expect(lines).toEqual([
      `${away.message}; waiting for it`,
      'the mirror sessions can be had again',
    ])
  })

  test.each([refused, new OperatorError('no key')])(
    'ends where waiting is of no use',
    async (error) => {
      const { lines, vnis, failure } = await follow([away, error, 5])
      expect(failure).toBeInstanceOf(OperatorError)
      expect(failure!.message).toBe(error.message)
      expect([vnis, lines]).toEqual([[], [`${away.message}; waiting for it`]])
    },
  )

  test('tries again to take what could not be taken', async () => {
    const { lines, vnis } = await follow(
      [1, 2, 2, 2, 2],
      [undefined, new OperatorError('cannot send there'), new OperatorError('nor now')],
    )
    expect(vnis).toEqual([1, 2])
    expect(lines).toEqual([
      'cannot send there; going on with the sessions last known',
      'the mirror sessions can be had again',
    ])
  })

  test('keeps no bug to itself', async () => {
    await expect(follow([1, new TypeError('x'), 2])).rejects.toThrow(TypeError)
  })

  test('pauses for 30 s at the longest, and never exactly alike', async () => {
    const { pauses } = await follow([1, ...Array.from({ length: 60 }, () => away)])
    expect(Math.max(...pauses)).toBe(30_000)
    const stop = new AbortController()
    const drawn: number[] = []
    const follower = new SessionFollower({
      read: async () => resources(1),
      onChange: () => undefined,
      say: () => undefined,
      intervalMs: 1000,
      signal: stop.signal,
      sleep: async (ms) => {
        if (drawn.push(ms) === 2) stop.abort()
      },
      random: () => drawn.length,
    })
    await follower.start()
    await follower.run()
    expect(drawn).toEqual([900, 1100])
  })
})
