import { execFile } from 'node:child_process'
import { readWrittenBytes } from './written-captures.js'

/** Frames that a program may look at are at most this many bytes of its answer. */
const OUTPUT_MAX = 256 * 1024 * 1024

/**
 * Which packets of a file tcpdump selects, by their whole seconds; or a line that
 * says why it refuses the expression.
 */
export function tcpdumpSelects(file: string, expression: string): Promise<number[] | string> {
  const args = ['-n', '--time-stamp-precision=nano', '-r', file, '-w', '-', '--', expression]
  return new Promise((resolve) => {
    execFile(
      'tcpdump',
      args,
      { encoding: 'buffer', maxBuffer: OUTPUT_MAX },
      (error, stdout, stderr) => {
        const line = /^tcpdump: (.*)$/m.exec(stderr.toString())?.[1]
        if (line === 'expression rejects all packets') resolve([])
        else if (error !== null) resolve(line ?? error.message)
        else resolve(readWrittenBytes(stdout).map(({ seconds }) => seconds))
      },
    )
  })
}
