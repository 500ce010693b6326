import { type Command, InvalidArgumentError, Option } from 'commander'
import { LIFETIMES, type Lifetime, type LifetimeName } from '../flow/lifetime.js'
import { parseDuration } from './options.js'

/** When flows end: a profile, and values that differ from it. */
export interface LifetimeCliOptions {
  flowTimeouts: LifetimeName
  flowTimeout?: readonly TimeoutSetting[]
}

interface TimeoutSetting {
  readonly kind: keyof Lifetime
  readonly state: 'new' | 'established' | 'closing' | 'closed'
  readonly seconds: number
}

export function addLifetimeOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--flow-timeouts <profile>',
        'how long a flow may be idle before it ends: as in Network Firewall (nfw), EC2 connection tracking (vpc) or Suricata (ids)',
      )
        .choices(Object.keys(LIFETIMES))
        .default('nfw'),
    )
    .option(
      '--flow-timeout <what=time>',
      'change one idle timeout of the profile, such as tcp-established=10m; may be repeated (default: as in the profile)',
      collectTimeouts,
    )
}

function collectTimeouts(
  text: string,
  before: readonly TimeoutSetting[] | undefined,
): TimeoutSetting[] {
  const match =
    /^(tcp|udp|icmp|other)-(new|established)=(.+)$/.exec(text) ??
    /^(tcp)-(closing|closed)=(.+)$/.exec(text)
  if (match === null) {
    throw new InvalidArgumentError(
      'Give PROTOCOL-STATE=TIME: tcp, udp, icmp or other; new, established, and for tcp closing, closed.',
    )
  }
  const setting = {
    kind: match[1] as TimeoutSetting['kind'],
    state: match[2] as TimeoutSetting['state'],
    seconds: Math.ceil(parseDuration(match[3]!)),
  }
  return [...(before ?? []), setting]
}

/** The profile with the given values put in. */
export function lifetimeOf(options: LifetimeCliOptions): Lifetime {
  const lifetime: Record<string, Record<string, number>> = structuredClone(
    LIFETIMES[options.flowTimeouts],
  )
  for (const { kind, state, seconds } of options.flowTimeout ?? []) {
    lifetime[kind]![state] = seconds
  }
  return lifetime as unknown as Lifetime
}
