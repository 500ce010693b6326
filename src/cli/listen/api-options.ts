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
      'the AWS-compatible API, /health, /ledger and /metrics (default: 127.0.0.1:4780)',
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

export function addHealthOptions(command: Command): Command {
  return command
    .option(
      '--health <address:port>',
      '/healthz, /readyz (also as /) and /metrics without a key, for load balancers and Prometheus',
      parseApiAddress,
    )
    .option(
      '--no-tcp-check',
      'take no TCP connections on the ports of mirrored packets, where load balancers check by TCP',
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
