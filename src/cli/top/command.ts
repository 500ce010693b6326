import type { Command } from 'commander'
import { integerBetween, parseControl } from '../options.js'
import type { TopOptions } from './options.js'

/** `mirrortap top`: the live view of an appliance. */
export function addTop(program: Command): void {
  program
    .command('top')
    .summary('the live view of an appliance on a terminal')
    .description(
      'Shows what a running appliance receives and loses, its sessions, flow table and destinations, ' +
        'once a second, by way of its API. Where standard output is no terminal, it prints a line for each update.',
    )
    .option('--api <url>', 'the API of the appliance', parseControl, 'http://127.0.0.1:4780')
    .option(
      '--credentials <file>',
      'access keys of the appliance (default: ~/.config/mirrortap/credentials, which listen makes; without it, requests are not signed)',
    )
    .option('--profile <name>', 'the profile in that file (default: the first)')
    .option('--region <name>', 'the region the appliance was told with --region', 'us-east-1')
    .option('--updates <number>', 'end after so many updates', integerBetween(1, 1e9))
    .option('--link', 'print a link to the dashboard that signs in, and end')
    .addHelpText(
      'after',
      '\nKeys: q leaves, s sorts the sessions by the next column, up and down and\n' +
        'page up and page down move through them.\n' +
        '\nExamples:\n  mirrortap top --api http://10.0.0.5:4780 --credentials keys\n' +
        '  mirrortap top --updates 60 > minute.log\n  mirrortap top --link',
    )
    .action(async (options: TopOptions) => {
      const { top } = await import('./run.js')
      await top(options)
    })
}
