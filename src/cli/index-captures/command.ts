import type { Command } from 'commander'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import type { IndexOptions } from './options.js'

/** `mirrortap index`: what lets `find` skip most of a capture, for captures that others made. */
export function addIndex(program: Command): void {
  program
    .command('index')
    .summary('index capture files, so that find reads only a small part of them')
    .description(
      'Writes an index beside each capture file (pcap, pcapng, gzip, zstd), called FILE.idx. It has the ' +
        'times, addresses, ports, protocols, VLANs and VNIs of each part of the capture, so that ' +
        'mirrortap find and the commands with --since and --until skip the other parts. For a ' +
        'compressed capture it also has the places where decompression can restart: every 32 MiB of ' +
        'the content of gzip (this takes up to 0.1 % of it), and every frame of zstd. Most programs ' +
        'write zstd as a single frame, which is decompressed from its start; pzstd writes several. An ' +
        'index that fits its capture is kept as it is. Files that are still being written (.part) are ' +
        'skipped. Without an index, searches give the same answers, only more slowly.',
    )
    .argument(
      '<path...>',
      'capture files, and directories in and below which all capture files are indexed',
    )
    .option('--json', 'print what was indexed, and how large each index is, as JSON')
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
