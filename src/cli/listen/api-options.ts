import { type Command, InvalidArgumentError } from 'commander'
import { parsePort } from '../options.js'

/** The options of the API as commander leaves them. */
export interface ApiCliOptions {
  /** false with --no-api; true or undefined when nobody said anything. */
  api?: ApiAddress | boolean
  credentials?: string
  /** false with --no-auth. */
  auth?: boolean
  auditLog?: string
}

export interface ApiAddress {
  readonly host: string
  readonly port: number
}

export const DEFAULT_API: ApiAddress = { host: '127.0.0.1', port: 4780 }

export function addApiOptions(command: Command): Command {
  return command
    .option(
      '--api <address:port>',
      'the AWS-compatible API and /health (default: 127.0.0.1:4780)',
      parseApiAddress,
    )
    .option('--no-api', 'do not start the AWS API')
    .option(
      '--credentials <file>',
      "access keys in AWS's shared format, a profile a user; made when absent " +
        '(default: ~/.config/mirrortap/credentials)',
    )
    .option('--no-auth', 'accept requests without a signature; on loopback only')
    .option(
      '--audit-log <file>',
      "every change and refused change, as JSON lines of CloudTrail's shape",
    )
}

/** `127.0.0.1:4780`, `[::1]:0`, `localhost:4780`. */
function parseApiAddress(text: string): ApiAddress {
  const match = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d+)$/.exec(text)
  if (match === null) {
    throw new InvalidArgumentError('Give ADDRESS:PORT, such as 127.0.0.1:4780 or [::1]:4780.')
  }
  return { host: (match[1] ?? match[2])!, port: parsePort(match[3]!) }
}
