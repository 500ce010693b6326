import { readWritten } from '../support/written-captures.js'
import type { Namespace } from './namespaces.js'
import type { Program } from './program.js'

/** tcpdump on an interface, writing what passes to a file; resolves when it listens. */
export async function startTcpdump(
  within: Namespace,
  device: string,
  file: string,
): Promise<Program> {
  const tcpdump = within.start(
    ...['tcpdump', '-n', '-U', '--immediate-mode', '--time-stamp-precision=nano'],
    ...['-Z', 'root', '-i', device, '-w', file],
  )
  await tcpdump.says(/listening on/)
  return tcpdump
}

/** The frames of a capture file as hex, sorted; undefined while the file is being written. */
export function framesOf(file: string): string[] | undefined {
  try {
    return readWritten(file)
      .map(({ frame }) => frame.toString('hex'))
      .sort()
  } catch {
    return undefined
  }
}
