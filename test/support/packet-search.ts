import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Random } from './random.js'

/** What may have become of the indexes of a directory; `turn` counts them. */
export const INDEX_STATES: Readonly<
  Record<string, (index: string, turn: number, random: Random) => void>
> = {
  'all there': () => undefined,
  'half of them damaged': (index, turn, random) => {
    if (turn % 2 === 0) return
    const bytes = readFileSync(index)
    for (let times = 0; times < 3; times++) bytes[random.below(bytes.length)]! ^= 0xff
    writeFileSync(index, bytes)
  },
  'half of them cut or gone': (index, turn, random) => {
    if (turn % 2 === 0) return
    const bytes = readFileSync(index)
    if (turn % 4 === 1) rmSync(index)
    else writeFileSync(index, bytes.subarray(0, random.below(bytes.length)))
  },
}

/** A search of `tcp` in all sessions at all times. */
export const EVERYTHING = {
  text: 'tcp',
  since: undefined,
  until: undefined,
  session: undefined,
  decap: 'auto',
  vxlanPort: 4789,
  genevePort: 6081,
  onProblem: (): void => undefined,
} as const
