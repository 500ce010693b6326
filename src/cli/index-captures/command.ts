import type { Command } from 'commander'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import type { IndexOptions } from './options.js'

/** `mirrortap index`: what lets `find` skip most of a capture, for captures that others made. */
export function addIndex(program: Command): void {
  program
    .command('index')
    .summary('index capture files, so that find skips most of them')
    .description(
      'Writes an index beside each capture file (pcap, pcapng, gzip, zstd), called FILE.idx: times,\n' +
        'addresses, ports, protocols, VLANs and VNIs of each part of it. mirrortap find works\n' +
        'without it, only slower. An index that is there already and fits its capture is kept;\n' +
        'files that are still being written (.part) are left alone.',
    )
    .argument('<path...>', 'capture files, and directories of them')
    .option('--json', 'say what was done as JSON')
    .addOption(fileModeOption())
    .addHelpText(
      'after',
      '\nExamples:\n  mirrortap index captures\n  mirrortap index --json monday.pcap.zst tuesday.pcap',
    )
    .action(async (paths: string[], options: IndexOptions) => {
      applyFileMode(options.fileMode)
      const { indexCaptures } = await import('./run.js')
      await indexCaptures(paths, options)
    })
}
