import type { Command } from 'commander'
import { integerBetween, parseControl } from '../options.js'
import type { TopOptions } from './options.js'

/** `mirrortap top`: the live view of an appliance. */
export function addTop(program: Command): void {
  program
    .command('top')
    .summary('show what an appliance does, live on the terminal')
    .description(
      'Shows, once a second, what a running appliance receives and loses, and its sessions, flow table and ' +
        'delivery destinations. It asks the API of the appliance. If standard output is not a terminal, it prints ' +
        'one line for each update.',
    )
    .option('--api <url>', 'URL of the API of the appliance', parseControl, 'http://127.0.0.1:4780')
    .option(
      '--credentials <file>',
      'file of the access keys of the appliance (default: ~/.config/mirrortap/credentials, which listen makes; if there is none, requests are not signed)',
    )
    .option('--profile <name>', 'profile to use of --credentials (default: the first)')
    .option('--region <name>', 'region of the appliance, as its own --region says', 'us-east-1')
    .option(
      '--updates <number>',
      'exit after this many updates (default: when interrupted)',
      integerBetween(1, 1e9),
    )
    .option('--link', 'print a link to the dashboard that needs no further sign-in, and exit')
    .addHelpText(
      'after',
      '\nKeys: q quits, s sorts the sessions by the next column, and the arrow and page\n' +
        'keys scroll through them.\n' +
        '\nExamples:\n  mirrortap top --api http://10.0.0.5:4780 --credentials keys\n' +
        '  mirrortap top --updates 60 > minute.log\n  mirrortap top --link',
    )
    .action(async (options: TopOptions) => {
      const { top } = await import('./run.js')
      await top(options)
    })
}
