/** What a running process costs, from outside. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Time on a CPU of all threads in ns (proc(5), schedstat). Threads that have ended are forgotten. */
export function cpuOf(pid) {
  return sumOf(pid, 0)
}

/** Time in ns that all threads were ready to run and others had the CPUs. */
export function waitOf(pid) {
  return sumOf(pid, 1)
}

function sumOf(pid, field) {
  let total = 0
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const fields = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')
    total += Number(fields[field])
  }
  return total
}

/** Until the process has been idle for a while: it has worked off what it holds. */
export async function settle(pid) {
  for (let last = -1, now = cpuOf(pid); now - last > 5e6; ) {
    await sleep(100)
    last = now
    now = cpuOf(pid)
  }
}
