import { execFile } from 'node:child_process'

/** Frames that a program may look at are at most this many octets of its answer. */
const OUTPUT_MAX = 256 * 1024 * 1024

/**
 * Which packets of a file tcpdump selects, by their whole seconds; or a line that
 * says why it refuses the expression.
 */
export function tcpdumpSelects(
  file: string,
  expression: string,
  ...options: string[]
): Promise<number[] | string> {
  const args = ['-n', '-r', file, '-w', '-', ...options, '--', expression]
  return new Promise((resolve) => {
    execFile(
      'tcpdump',
      args,
      { encoding: 'buffer', maxBuffer: OUTPUT_MAX },
      (error, stdout, stderr) => {
        const line = /^tcpdump: (.*)$/m.exec(stderr.toString())?.[1]
        if (line === 'expression rejects all packets') resolve([])
        else if (error !== null) resolve(line ?? error.message)
        else resolve(secondsOf(stdout))
      },
    )
  })
}

function secondsOf(capture: Buffer): number[] {
  const seconds: number[] = []
  for (let at = 24; at + 16 <= capture.length; at += 16 + capture.readUInt32LE(at + 8)) {
    seconds.push(capture.readUInt32LE(at))
  }
  return seconds
}
