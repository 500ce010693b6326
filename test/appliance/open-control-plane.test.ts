import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { changesTo, openControlPlane } from '../../src/appliance/open-control-plane.js'
import type { ConfiguredResources } from '../../src/control/declared-resources.js'
import { createSession, deleteSession, modifySession } from '../../src/control/sessions.js'
import type { Change } from '../../src/control/state.js'
import { createTarget } from '../../src/control/targets.js'
import { OperatorError } from '../../src/errors.js'
import { temporaryDirectory } from '../support/temporary.js'
import { ALL, inventoryOf, sessionResource, TARGET } from './registered.js'

const NONE: ConfiguredResources = {
  interfaces: [],
  targets: [],
  filters: [],
  sessions: [],
  flowLogs: [],
  transitGateways: [],
}

function open(
  declared: Partial<ConfiguredResources> | undefined,
  options: { stateFile?: string; said?: string[] } = {},
) {
  const { stateFile, said = [] } = options
  return openControlPlane(
    {
      stateFile,
      declared: declared && { ...NONE, ...declared },
      sessionKey: 'source+vni',
      metadata: {},
    },
    (line) => said.push(line),
  )
}

const RESOURCES = { targets: [{ ...TARGET, endpoint: undefined }], filters: [ALL] }
const first = sessionResource({ id: 'tms-1', sessionNumber: 2 })
const second = sessionResource({ id: 'tms-2', sessionNumber: 1 })
const RIVALS =
  'tms-2 and tms-1 have the VNI 7 and nothing else tells their packets apart: ' +
  'each is of the first whose filter accepts it, tms-2 before tms-1'

describe('openControlPlane', () => {
  test('has what the configuration declares, and tells it as changes of nothing', async () => {
    const plane = await open({ ...RESOURCES, sessions: [first] })
    expect(changesTo(plane).map(({ table, id }) => `${table} ${id}`)).toEqual([
      'targets tmt-1',
      'filters tmf-all',
      'sessions tms-1',
    ])
  })

  test('keeps what is made in the state file, and tells of it', async () => {
    const stateFile = join(temporaryDirectory(), 'state.json')
    const followed: Change[] = []
    const plane = await open(undefined, { stateFile })
    plane.follow((changes) => void followed.push(...changes))
    const { id } = await plane.change((draft) => createTarget(draft, { ...TARGET, tags: [] }))
    expect(followed.map((change) => change.id)).toEqual([id])
    expect(readFileSync(`${stateFile}.journal`, 'utf8')).toContain(id)
    expect((await open({}, { stateFile })).resources.targets.has(id)).toBe(true)
  })

  test('says which of two sessions gets the packets that both want, at the start', async () => {
    const said: string[] = []
    await open({ ...RESOURCES, sessions: [first, second] }, { said })
    expect(said).toEqual([expect.stringContaining(RIVALS)])
  })

  test('says so when a change brings it about, once', async () => {
    const said: string[] = []
    const stateFile = join(temporaryDirectory(), 'state.json')
    const plane = await open({ ...RESOURCES, sessions: [second] }, { said, stateFile })
    // One that the API has made, and may change.
    const { id } = await plane.change((draft) =>
      createSession(draft, { ...first, networkInterfaceId: 'eni-0aa11bb22cc33dd44' }),
    )
    expect(said).toHaveLength(1)
    const modify = (virtualNetworkId: number, description: string) =>
      plane.change((draft) => modifySession(draft, id, { virtualNetworkId, description }, []))
    await modify(7, 'as before')
    await modify(8, 'elsewhere')
    expect(said).toHaveLength(1)
    await modify(7, 'again')
    expect(said).toHaveLength(2)
    expect(said[1]).toBe(said[0])
    await plane.change((draft) => deleteSession(draft, id))
    expect(said).toHaveLength(2)
  })

  test('is silent where the inventory tells them apart', async () => {
    const said: string[] = []
    const interfaces = [
      ...inventoryOf(
        { id: first.networkInterfaceId, addresses: ['10.0.0.1'] },
        { id: second.networkInterfaceId, addresses: ['10.0.0.2'] },
      ).values(),
    ]
    await open({ ...RESOURCES, sessions: [first, second], interfaces }, { said })
    expect(said).toEqual([])
  })

  test.each([
    {
      what: 'names what is not there',
      declared: { sessions: [first] },
      says: "the configuration cannot be used: The traffic mirror target ID 'tmt-1' does not exist",
    },
    {
      what: 'says of an interface what a flow log cannot carry',
      declared: { interfaces: [{ id: 'eni-1', addresses: [], availabilityZoneId: 'use1 az1' }] },
      says: 'az-id: "use1 az1" has a space',
    },
  ])('refuses a configuration that $what', async ({ declared, says }) => {
    const refused = open(declared)
    await expect(refused).rejects.toThrow(OperatorError)
    await expect(refused).rejects.toThrow(says)
  })
})
