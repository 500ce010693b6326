import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Appliance, IS_BUILT, UNHURRIED } from './program.js'

/** It lasts as long as listen waits for such a thread, so only LONG_TESTS=1 asks for it. */
const MISSING =
  !IS_BUILT || process.env['LONG_TESTS'] === undefined || process.getuid?.() !== 0
    ? 'the built program, LONG_TESTS=1 and root'
    : spawnSync('python3', ['--version']).status !== 0
      ? 'python3'
      : undefined

/** Stops the last thread of a process that waits in epoll, the receiving one, as a system call that hangs does, until it is ended. */
const FREEZE = `
import ctypes, os, sys
tasks = '/proc/%s/task' % sys.argv[1]
waits = lambda task: 'epoll' in open('%s/%s/wchan' % (tasks, task)).read()
task = max(int(task) for task in os.listdir(tasks) if waits(task))
libc = ctypes.CDLL(None)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
seize, interrupt = 0x4206, 0x4207
for request in (seize, interrupt): assert libc.ptrace(request, task, None, None) == 0
print(task, flush=True)
status = 0x7f
while status & 0x7f == 0x7f: status = os.waitpid(task, 0x40000000)[1]
`

describe.skipIf(MISSING !== undefined)(
  `a receiving thread that hangs${MISSING === undefined ? '' : ` (needs ${MISSING})`}`,
  UNHURRIED,
  () => {
    test('does not keep listen from leaving, which says so', async () => {
      const appliance = new Appliance([])
      await appliance.port()
      const tracer = spawn('python3', ['-c', FREEZE, String(appliance.pid)])
      onTestFinished(() => void tracer.kill('SIGKILL'))
      await once(tracer.stdout, 'data')
      appliance.signal('SIGTERM')
      expect(await appliance.ended()).toBe(1)
      expect(appliance.stderr).toMatch(/receiving thread 1 has not answered for 2\d s/)
      expect(appliance.stderr).toContain('0 received = 0 accepted')
    })
  },
)
