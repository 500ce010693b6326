import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { hasTool } from '../support/tools.js'
import { Program } from './program.js'

/** Runs a program and returns its output; throws with what it said on stderr. */
export function run(file: string, ...args: string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** A network namespace of the running test, gone when that ends. */
export class Namespace {
  readonly name = `mirrortap-${randomBytes(4).toString('hex')}`

  constructor() {
    run('ip', 'netns', 'add', this.name)
    onTestFinished(() => {
      run('ip', 'netns', 'del', this.name)
    })
    // Nothing but what the test sends: no router solicitations, no duplicate address detection.
    this.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6')
    this.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6')
    this.ip('link set lo up')
  }

  /** Command words that run the rest inside. */
  get within(): string[] {
    return ['ip', 'netns', 'exec', this.name]
  }

  run(file: string, ...args: string[]): string {
    return run('ip', 'netns', 'exec', this.name, file, ...args)
  }

  /** `ip` with words separated by single spaces. */
  ip(words: string): void {
    run('ip', '-n', this.name, ...words.split(' '))
  }

  tc(words: string): void {
    this.run('tc', ...words.split(' '))
  }

  start(...command: string[]): Program {
    return new Program([...this.within, ...command] as [string, ...string[]])
  }

  /** Joins two namespaces by a virtual cable. */
  cable(own: string, other: Namespace, theirs: string): void {
    this.ip(`link add ${own} type veth peer name ${theirs} netns ${other.name}`)
    this.ip(`link set ${own} up`)
    other.ip(`link set ${theirs} up`)
  }

  /** Keeps the hardware address of a neighbour for good, so that it is never asked for again. */
  neighbourIsPermanent(device: string, neighbour: Namespace, address: string): void {
    const hardware = neighbour.run('cat', '/sys/class/net/eth0/address').trim()
    this.ip(`neigh replace ${address} lladdr ${hardware} dev ${device} nud permanent`)
  }

  /**
   * Has every packet leave the interface as it is on a wire: no frames of more than the MTU
   * put together or taken apart on the way, no checksum left to be filled in.
   */
  withoutOffloads(device: string): void {
    const offloads = ['tso', 'gso', 'gro', 'tx', 'rx', 'sg'].flatMap((name) => [name, 'off'])
    this.run('ethtool', '-K', device, ...offloads)
  }
}

/** Why the kernel's own VXLAN cannot be tried here, or undefined where it can. */
export function whyNoNamespaces(): string | undefined {
  if (process.platform !== 'linux') return 'Linux'
  if (process.getuid?.() !== 0) return 'root'
  for (const tool of ['ip', 'tcpdump', 'ethtool']) {
    if (!hasTool(tool) && spawnSync(tool, ['-V']).error !== undefined) return tool
  }
  const name = `mirrortap-probe-${process.pid}`
  try {
    run('ip', 'netns', 'add', name)
  } catch {
    return 'network namespaces'
  }
  try {
    run('ip', '-n', name, 'link', 'add', 'probe', 'type', 'vxlan', 'id', '1', 'dstport', '4789')
    run('ip', '-n', name, 'link', 'add', 'bridge', 'type', 'bridge')
    run('ip', '-n', name, 'link', 'add', 'cable', 'type', 'veth')
    return undefined
  } catch {
    return 'vxlan, bridge and veth links of the kernel'
  } finally {
    run('ip', 'netns', 'del', name)
  }
}

/** Ways to have tc copy every packet, the plainest first. `bpf` needs a program and is left out. */
const CLASSIFIERS = ['matchall', 'u32 match u8 0 0', 'flower']

/** What comes before `action` in the first filter that this kernel knows, or undefined. */
export function mirroringClassifier(): string | undefined {
  const name = `mirrortap-probe-${process.pid}`
  const tc = (words: string): void => {
    run('ip', 'netns', 'exec', name, 'tc', ...words.split(' '))
  }
  run('ip', 'netns', 'add', name)
  try {
    return CLASSIFIERS.find((classifier) => {
      try {
        tc('qdisc replace dev lo clsact')
        tc(
          `filter add dev lo ingress protocol all ${classifier} action mirred egress mirror dev lo`,
        )
        return true
      } catch {
        return false
      }
    })
  } finally {
    run('ip', 'netns', 'del', name)
  }
}
