import { type Command, InvalidArgumentError } from 'commander'
import { type HostPort, parseHostPort } from '../../wire/host-port.js'
import { cloudWatchOption } from '../cloudwatch-option.js'

/** The options of the API as commander leaves them. */
export interface ApiCliOptions {
  /** false with --no-api; true or undefined when nobody said anything. */
  api?: HostPort | boolean
  credentials?: string
  /** false with --no-auth. */
  auth?: boolean
  auditLog?: string
  /** Where what is captured is found. */
  captureDir?: string
}

/** The options of what watches the appliance. */
export interface HealthCliOptions {
  health?: HostPort
  /** false with --no-tcp-check. */
  tcpCheck?: boolean
  /** A namespace. */
  cloudwatchMetrics?: string
}

export const DEFAULT_API: HostPort = { host: '127.0.0.1', port: 4780 }

export function addApiOptions(command: Command): Command {
  return command
    .optionsGroup('API:')
    .option(
      '--api <address:port>',
      'serve the AWS-compatible API, the dashboard, /health, /ledger and /metrics here (default: 127.0.0.1:4780)',
      parseApiAddress,
    )
    .option('--no-api', 'do not serve the API and the dashboard')
    .option(
      '--credentials <file>',
      "file of the access keys that the API accepts, in AWS's shared format, with a profile for each user; made if " +
        'there is none (default: ~/.config/mirrortap/credentials)',
    )
    .option(
      '--no-auth',
      'accept requests without a signature; only for an API on a loopback address',
    )
    .option(
      '--audit-log <file>',
      "append every change made or refused to this file, as JSON lines like CloudTrail's (default: none)",
    )
}

export function addHealthOptions(command: Command): Command {
  return command
    .option(
      '--health <address:port>',
      'serve /healthz, /readyz (also as /) and /metrics here without access keys, for load balancers and Prometheus (default: not served)',
      parseApiAddress,
    )
    .option(
      '--no-tcp-check',
      'do not accept TCP connections on the ports of mirrored packets, which load balancers make as health checks',
    )
    .addOption(cloudWatchOption())
}

/** `127.0.0.1:4780`, `[::1]:0`, `localhost:4780`. */
function parseApiAddress(text: string): HostPort {
  const found = parseHostPort(text, { isZeroAllowed: true })
  if (found === undefined) {
    throw new InvalidArgumentError(
      'Give ADDRESS:PORT, such as 127.0.0.1:4780 or [::1]:4780; ports are 0 to 65535.',
    )
  }
  return found
}
