import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'
import { ControlledAppliance } from './controlled-appliance.js'
import { IS_BUILT, NEEDS_BUILD, UNHURRIED } from './program.js'
import { type Change, everything, type Model, RandomChanges } from './random-changes.js'

const KILLS = 4
const CHANGES_BETWEEN = 8
/** A change takes a few milliseconds, until it is on the disk: the kill is to fall anywhere in it. */
const CHANGE_MS = 6

describe.skipIf(!IS_BUILT)(`the state of listen${NEEDS_BUILD}`, UNHURRIED, () => {
  test.each([1, 2, 3])(
    'is what was answered after kills at any time, from seed %i',
    async (seed) => {
      const random = new Random(seed)
      const changes = new RandomChanges(random)
      const state = join(temporaryDirectory(), 'state.json')
      let appliance = await ControlledAppliance.start('--state', state)
      let model: Model = new Map()
      for (let kill = 0; kill < KILLS; kill++) {
        let answered: { change: Change; id: string } | undefined
        for (let count = random.below(CHANGES_BETWEEN) + 1; count > 0; count--) {
          const change = changes.next(model)
          const id = await change.ask(appliance.ec2)
          model = change.after(model, id)
          answered = { change, id }
        }

        const last = changes.next(model)
        const asked = last.ask(appliance.ec2).catch(() => undefined)
        if (random.below(4) > 0) await delay(random.below(CHANGE_MS))
        await appliance.kill()
        const answer = await asked
        if (answer !== undefined) model = last.after(model, answer)
        appliance = await ControlledAppliance.start('--state', state)
        expect(appliance.program.stderr).not.toContain('damaged')

        const found = await everything(appliance.ec2)
        const possible = [model]
        if (answer === undefined) {
          const [made = ''] = [...found.keys()].filter((id) => !model.has(id))
          possible.push(last.after(model, made))
        }
        expect(possible).toContainEqual(found)
        // Whoever got no answer asks again with the same token, and so may others.
        if (last.makes) {
          const id = await last.ask(appliance.ec2)
          expect(answer ?? id).toBe(id)
          model = last.after(model, id)
        } else model = found
        if (answered?.change.makes === true && found.has(answered.id)) {
          expect(await answered.change.ask(appliance.ec2)).toBe(answered.id)
        }
        expect(await everything(appliance.ec2)).toEqual(model)
      }
      expect(await appliance.program.stop()).toBe(0)
    },
  )
})
