import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addAnalyze } from './analyze/command.js'
import { addCapture } from './capture/command.js'
import { addCompletion } from './completion/command.js'
import { addDoctor } from './doctor/command.js'
import { addFind } from './find/command.js'
import { addFlowLog } from './flow-log/command.js'
import { addFlows } from './flows/command.js'
import { addIndex } from './index-captures/command.js'
import { addListen } from './listen/command.js'
import { addMirror } from './mirror/command.js'
import { addQuery } from './query/command.js'
import { addTop } from './top/command.js'

/** In the order of the help. */
const COMMANDS = [
  addListen,
  addCapture,
  addFlows,
  addFlowLog,
  addAnalyze,
  addQuery,
  addFind,
  addIndex,
  addMirror,
  addTop,
  addDoctor,
  addCompletion,
]

/**
 * Every command with its options, as `main` parses them. Help, the completion scripts and the
 * manual page are made from this table.
 */
export function createProgram(): Command {
  const program = new Command('mirrortap')
    .description('Traffic mirror target: receives VXLAN and GENEVE, writes captures and flow logs.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
    // Long options leave less than commander's own minimum beside them on 80 columns.
    .configureHelp({ minWidthToWrap: 30 })
    .configureOutput({ outputError: () => undefined })
    .showSuggestionAfterError(true)
  for (const add of COMMANDS) add(program)
  return program.addHelpText(
    'after',
    '\nExamples:\n  mirrortap listen --capture-dir captures --flow-log-dir logs\n' +
      '  mirrortap capture -w - | tshark -r -\n  mirrortap analyze capture.pcap\n' +
      '  mirrortap listen --help',
  )
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
