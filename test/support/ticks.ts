import { createHook } from 'node:async_hooks'

/** How often `work` had Node call something back in the next tick: each step of a stream does. */
export async function ticksOf(work: () => Promise<void>): Promise<number> {
  let ticks = 0
  const hook = createHook({
    init: (_, type) => {
      if (type === 'TickObject') ticks++
    },
  })
  hook.enable()
  try {
    await work()
  } finally {
    hook.disable()
  }
  return ticks
}
