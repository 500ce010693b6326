import { setImmediate as nextTurn } from 'node:timers/promises'

/** Items that wait before whoever makes them is held up. */
const WAITING_MAX = 1024
/** Blocks of input between two turns of the event loop: some 16 MiB. */
const BLOCKS_A_TURN = 64

/** Asked between blocks of input: true or a promise of it to go on, false when nothing more is wanted. */
export type Room = () => boolean | Promise<boolean>

/**
 * Turns what is handed over by calls into what can be asked for. `produce` puts items as they come
 * and asks for room between blocks of its input: no more wait than one block brings. A consumer
 * that leaves its loop ends the reading.
 */
export async function* pulled<Item>(
  produce: (put: (item: Item) => void, room: Room) => Promise<void>,
): AsyncGenerator<Item, void, undefined> {
  let waiting: Item[] = []
  let blocks = 0
  let isOver = false
  let isUnwanted = false
  let failure: { readonly error: unknown } | undefined
  let somethingCame = (): void => undefined
  let roomMade = (): void => undefined

  const room: Room = () => {
    if (isUnwanted) return false
    somethingCame()
    if (waiting.length >= WAITING_MAX) {
      return new Promise<void>((resolve) => {
        roomMade = resolve
      }).then(() => !isUnwanted)
    }
    return ++blocks % BLOCKS_A_TURN > 0 || nextTurn().then(() => !isUnwanted)
  }
  const producing = produce((item) => waiting.push(item), room)
    .catch((error: unknown) => {
      failure = { error }
    })
    .finally(() => {
      isOver = true
      somethingCame()
    })

  try {
    for (;;) {
      const items = waiting
      waiting = []
      yield* items
      if (waiting.length > 0) continue
      if (isOver) break
      roomMade()
      await new Promise<void>((resolve) => {
        somethingCame = resolve
      })
    }
    if (failure !== undefined) throw failure.error
  } finally {
    isUnwanted = true
    roomMade()
    await producing
  }
}
