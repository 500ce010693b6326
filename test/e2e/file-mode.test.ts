import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { Appliance, IS_BUILT, mirrortap, NEEDS_BUILD, Program, UNHURRIED } from './program.js'

const HOST = '127.0.0.1'
const FRAME = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 53 }))

/** Modes in octal of everything below a directory: those of files, and those of directories. */
function modesBelow(directory: string): { files: string[]; directories: string[] } {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  const modes = (are: typeof entries): string[] => [
    ...new Set(
      are.map(({ parentPath, name }) =>
        (statSync(join(parentPath, name)).mode & 0o777).toString(8),
      ),
    ),
  ]
  return {
    files: modes(entries.filter((entry) => entry.isFile())),
    directories: modes(entries.filter((entry) => entry.isDirectory())),
  }
}

describe.skipIf(!IS_BUILT)(`what is written of others' traffic${NEEDS_BUILD}`, UNHURRIED, () => {
  test.each([
    { options: [], files: '640', directories: '750' },
    { options: ['--file-mode', '0644'], files: '644', directories: '755' },
    { options: ['--file-mode', '600'], files: '600', directories: '700' },
  ])('is for its owner and group alone, or as $options says', async (expected) => {
    const dir = temporaryDirectory()
    const appliance = new Appliance([
      ...['--capture-dir', join(dir, 'made/captures'), '--flow-log-dir', join(dir, 'made/logs')],
      ...expected.options,
    ])
    const sender = await UdpSender.open(HOST)
    await sender.send(vxlan(7, FRAME), await appliance.port(), HOST)
    await sender.close()
    expect(await appliance.stop()).toBe(0)
    const { files, directories } = expected
    expect(modesBelow(dir)).toEqual({ files: [files], directories: [directories] })
  })

  test('is never more open than the umask has it', async () => {
    const dir = temporaryDirectory()
    const command = 'umask 077 && exec "$@"'
    const args = ['listen', '--bind', HOST, '--port', '0', '--no-api', '--duration', '100ms']
    const bin = join(import.meta.dirname, '../../dist/cli/bin.js')
    const listen = [process.execPath, bin, ...args, '--stats', join(dir, 'stats.json')]
    const program = new Program(['sh', '-c', command, 'sh', ...listen])
    expect(await program.ended()).toBe(0)
    expect(modesBelow(dir).files).toEqual(['600'])
  })

  test.each([
    ['capture', '--read', 'in.pcap', '-w', 'out.pcap'],
    ['flow-log', 'in.pcap', '-o', 'logs/'],
    ['flows', 'in.pcap', '--format', 'zeek', '-o', 'logs'],
    ['analyze', 'in.pcap', '--report', 'report.html'],
    ['query', 'SELECT 1', '-o', 'answer.csv'],
  ])('%s keeps to it too', async (...words) => {
    const dir = temporaryDirectory()
    const read = join(dir, 'in.pcap')
    writeFileSync(read, pcapFile([{ frame: FRAME }]), { mode: 0o640 })
    const args = words.map((word) =>
      /^(in|out|logs|report|answer)\b/.test(word) ? join(dir, word) : word,
    )
    expect(await mirrortap(args).ended()).toBe(0)
    const { files, directories } = modesBelow(dir)
    expect(files).toEqual(['640'])
    for (const mode of directories) expect(mode).toBe('750')
  })

  test.each(['640x', '0400', '0777', '88'])('%s is no mode: exit code 2', async (mode) => {
    const program = mirrortap(['listen', '--file-mode', mode])
    expect(await program.ended()).toBe(2)
    expect(program.stderr).toMatch(/Give the mode of files in octal/)
  })
})
