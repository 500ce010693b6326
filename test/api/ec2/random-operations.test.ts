import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ControlPlane } from '../../../src/control/control-plane.js'
import type { Change, Resources, Table } from '../../../src/control/state.js'
import { Random } from '../../support/random.js'
import { Ec2House, flowLogFor, ruleFor } from './ec2-house.js'
import { type Outcome, PlainEc2 } from './plain-ec2.js'

const OPERATIONS = 80
/** Few, so that requests meet. */
const ENIS = [1, 2, 3, 4, 5].map((at) => `eni-0000000000000000${at}`)
const NUMBERS = ['1', '2', '3', '4']

interface Step {
  readonly name: string
  readonly code: Outcome
  readonly wanted: Outcome
}

/** One request at a time, of ids that are there, were there or never were, to the operations and to the model. */
class RandomRun {
  readonly model = new PlainEc2()
  readonly #random: Random
  readonly #house: Ec2House
  /** Every id there ever was. */
  readonly #known = ['tms', 'tmt', 'tmf', 'tmfr', 'fl'].map((kind) => `${kind}-00000000000000000`)

  constructor(house: Ec2House, seed: number) {
    this.#house = house
    this.#random = new Random(seed)
  }

  async step(): Promise<Step> {
    const { model } = this
    const eni = this.#random.pick(ENIS)
    const number = this.#random.pick(NUMBERS)
    const place = { TrafficDirection: this.#random.pick(['ingress', 'egress']), RuleNumber: number }
    const placeText = `${place.TrafficDirection} ${number}`
    const session = this.#pick('tms')
    const target = this.#pick('tmt')
    const filter = this.#pick('tmf')
    const rule = this.#pick('tmfr')
    const any = this.#random.pick([session, target, filter, rule, this.#pick('fl')])
    const length = this.#random.pick(['1', '8500', undefined])
    const vni = this.#random.pick(['0', '7', '16777215', undefined])

    switch (this.#random.below(16)) {
      case 0:
        return this.#make(
          'CreateTrafficMirrorTarget',
          { NetworkInterfaceId: eni },
          model.createTarget(eni),
          (id) => {
            model.targets.set(id, eni)
          },
        )
      case 1:
        return this.#ask(
          'DeleteTrafficMirrorTarget',
          { TrafficMirrorTargetId: target },
          model.deleteTarget(target),
        )
      case 2:
        return this.#make('CreateTrafficMirrorFilter', {}, undefined, (id) => {
          model.filters.set(id, new Map())
        })
      case 3:
        return this.#ask(
          'DeleteTrafficMirrorFilter',
          { TrafficMirrorFilterId: filter },
          model.deleteFilter(filter),
        )
      case 4:
      case 5:
        return this.#make(
          'CreateTrafficMirrorFilterRule',
          { ...ruleFor(filter, 1), ...place },
          model.createRule(filter, placeText),
          (id) => {
            model.filters.get(filter)!.set(id, placeText)
          },
        )
      case 6:
        return this.#ask(
          'ModifyTrafficMirrorFilterRule',
          { TrafficMirrorFilterRuleId: rule, ...place },
          model.moveRule(rule, placeText),
        )
      case 7:
        return this.#ask(
          'DeleteTrafficMirrorFilterRule',
          { TrafficMirrorFilterRuleId: rule },
          model.deleteRule(rule),
        )
      case 8:
      case 9:
      case 10: {
        const wanted = { eni, target, filter, number, length }
        const request = {
          NetworkInterfaceId: eni,
          TrafficMirrorTargetId: target,
          TrafficMirrorFilterId: filter,
          SessionNumber: number,
          ...(vni === undefined ? {} : { VirtualNetworkId: vni }),
          ...(length === undefined ? {} : { PacketLength: length }),
        }
        const outcome = model.checkSession(undefined, wanted)
        return this.#make('CreateTrafficMirrorSession', request, outcome, (id) => {
          model.sessions.set(id, wanted)
        })
      }
      case 11: {
        const request = {
          TrafficMirrorSessionId: session,
          TrafficMirrorFilterId: filter,
          SessionNumber: number,
          RemoveField: ['packet-length', 'virtual-network-id'],
        }
        const change = { filter, number, length: undefined }
        return this.#ask(
          'ModifyTrafficMirrorSession',
          request,
          model.modifySession(session, change),
        )
      }
      case 12:
        return this.#ask(
          'DeleteTrafficMirrorSession',
          { TrafficMirrorSessionId: session },
          model.deleteSession(session),
        )
      case 13:
        return this.#make('CreateFlowLogs', flowLogFor(eni), model.createFlowLog(eni), (id) => {
          model.flowLogs.set(id, eni)
        })
      case 14: {
        const id = this.#pick('fl')
        return this.#ask('DeleteFlowLogs', { FlowLogId: [id] }, model.deleteFlowLog(id))
      }
      default: {
        const Key = this.#random.pick(['a', 'b'])
        if (this.#random.below(3) === 0) {
          return this.#ask(
            'DeleteTags',
            { ResourceId: [any], Tag: [{ Key }] },
            model.deleteTag(any, Key),
          )
        }
        const Tag = [{ Key, Value: number }]
        return this.#ask(
          'CreateTags',
          { ResourceId: [any], Tag },
          model.createTag(any, Key, number),
        )
      }
    }
  }

  #pick(prefix: string): string {
    const of = (ids: string[]) => ids.filter((id) => id.startsWith(`${prefix}-`))
    const living = of(this.model.ids)
    return this.#random.pick(
      living.length > 0 && this.#random.below(5) > 0 ? living : of(this.#known),
    )
  }

  async #ask(name: string, input: object, wanted: Outcome): Promise<Step> {
    const { code, output } = await this.#house.ask(name, input as Record<string, unknown>)
    return { name, code: code ?? output.unsuccessful?.[0]?.error.code, wanted }
  }

  async #make(
    name: string,
    input: object,
    wanted: Outcome,
    note: (id: string) => void,
  ): Promise<Step> {
    const before = new Set(idsIn(this.#house.plane.resources))
    const step = await this.#ask(name, input, wanted)
    const made = idsIn(this.#house.plane.resources).filter((id) => !before.has(id))
    expect(made.length).toBe(step.code === undefined ? 1 : 0)
    for (const id of made) {
      note(id)
      this.#known.push(id)
    }
    return step
  }
}

function idsIn({ sessions, targets, filters, flowLogs }: Resources): string[] {
  const rules = [...filters.values()].flatMap((filter) => filter.rules.map(({ id }) => id))
  return [...targets.keys(), ...filters.keys(), ...sessions.keys(), ...flowLogs.keys(), ...rules]
}

/** Everything that the model has an opinion of, as text. */
function shownBy({ targets, filters, sessions, flowLogs }: Resources): string[] {
  const tagged = [
    ...targets.values(),
    ...filters.values(),
    ...sessions.values(),
    ...flowLogs.values(),
  ]
  const rules = [...filters.values()].flatMap((filter) => filter.rules)
  return [
    ...[...targets.values()].map(({ id, address }) => `${id} ${address}`),
    ...[...filters.keys()],
    ...[...filters.values()].flatMap((filter) =>
      filter.rules.map((rule) => `${rule.id} ${filter.id} ${rule.direction} ${rule.ruleNumber}`),
    ),
    ...[...sessions.values()].map(
      ({ id, networkInterfaceId, targetId, filterId, sessionNumber, packetLength }) =>
        `${id} ${networkInterfaceId} ${targetId} ${filterId} ${sessionNumber} ${packetLength}`,
    ),
    ...[...flowLogs.values()].map(({ id, resourceId }) => `${id} ${resourceId}`),
    ...[...tagged, ...rules].flatMap(({ id, tags }) =>
      tags.map(({ key, value }) => `${id} tag ${key}=${value}`),
    ),
  ].sort()
}

function shownByModel({ targets, filters, sessions, flowLogs, tags }: PlainEc2): string[] {
  return [
    ...[...targets].map(([id, eni]) => `${id} ${eni}`),
    ...filters.keys(),
    ...[...filters].flatMap(([id, rules]) =>
      [...rules].map(([rule, place]) => `${rule} ${id} ${place}`),
    ),
    ...[...sessions].map(
      ([id, { eni, target, filter, number, length }]) =>
        `${id} ${eni} ${target} ${filter} ${number} ${length}`,
    ),
    ...[...flowLogs].map(([id, eni]) => `${id} ${eni}`),
    ...[...tags].map(([name, value]) => `${name.replace(' ', ' tag ')}=${value}`),
  ].sort()
}

/** The resources of someone who has heard of nothing but the changes. */
function follow(changes: readonly Change[]): Resources {
  const resources = {
    interfaces: new Map(),
    targets: new Map(),
    filters: new Map(),
    sessions: new Map(),
    flowLogs: new Map(),
  } satisfies Record<Table, unknown>
  for (const { table, id, before, after } of changes) {
    expect(resources[table].get(id)).toBe(before)
    if (after === undefined) resources[table].delete(id)
    else resources[table].set(id, after)
  }
  return resources
}

describe('ec2Actions', () => {
  test.each([11, 12, 13])('do what a plain model does, and save it, seed %i', async (seed) => {
    const directory = mkdtempSync(join(tmpdir(), 'mirrortap-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const stateFile = join(directory, 'state.json')
    const house = await Ec2House.open({ stateFile })
    const run = new RandomRun(house, seed)
    const codes = new Set<Outcome>()
    for (let at = 0; at < OPERATIONS; at++) {
      const { name, code, wanted } = await run.step()
      codes.add(code)
      const where = `seed ${seed}, operation ${at}: ${name}`
      expect(code, where).toBe(wanted)
      expect(shownBy(house.plane.resources), where).toEqual(shownByModel(run.model))

      if (code !== undefined) continue
      const copy = join(directory, 'copy.json')
      copyFileSync(stateFile, copy)
      if (existsSync(`${stateFile}.journal`))
        copyFileSync(`${stateFile}.journal`, `${copy}.journal`)
      const again = await ControlPlane.open({
        stateFile: copy,
        onProblem: (line) => expect.unreachable(line),
      })
      expect(again.resources, where).toEqual(plain(house.plane.resources))
    }
    expect(follow(house.changes)).toEqual(plain(house.plane.resources))
    expect(codes.size).toBeGreaterThan(8)
  })
})

function plain(resources: Resources): object {
  return Object.fromEntries(
    Object.entries(resources).map(([table, map]) => [table, new Map<string, object>(map)]),
  )
}
