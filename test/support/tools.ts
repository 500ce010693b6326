import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Whether a program that judges our output is installed; for `test.skipIf(!hasTool('tshark'))`. */
export function hasTool(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined
}

/** What tshark prints for a capture file given as bytes, line by line. */
export function tshark(capture: Buffer, args: readonly string[]): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'mirrortap-tshark-'))
  try {
    const file = join(dir, 'capture.pcap')
    writeFileSync(file, capture)
    const out = execFileSync('tshark', ['-n', '-r', file, ...args], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return out.split('\n').slice(0, -1)
  } finally {
    rmSync(dir, { recursive: true })
  }
}
