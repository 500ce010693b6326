import { setTimeout as delay } from 'node:timers/promises'
import {
  CreateTrafficMirrorFilterCommand,
  CreateTrafficMirrorFilterRuleCommand,
  type CreateTrafficMirrorFilterRuleCommandInput,
  CreateTrafficMirrorSessionCommand,
  type CreateTrafficMirrorSessionCommandInput,
  CreateTrafficMirrorTargetCommand,
  EC2Client,
} from '@aws-sdk/client-ec2'
import {
  type Flow,
  NetworkFirewallClient,
  paginateListFlowOperationResults,
  StartFlowCaptureCommand,
} from '@aws-sdk/client-network-firewall'
import { onTestFinished } from 'vitest'
import { vxlan } from '../support/frames.js'
import { UdpSender } from '../support/udp-sender.js'
import { Appliance, until } from './program.js'

const HOST = '127.0.0.1'
const REGION = 'us-east-1'
const ANYBODY = { accessKeyId: 'ANYBODY', secretAccessKey: 'not asked for' }

/** An appliance on loopback, the AWS SDK before its API, and packets to be sent to it. */
export class ControlledAppliance {
  readonly program: Appliance
  readonly ec2: EC2Client
  readonly #firewall: NetworkFirewallClient
  readonly #endpoint: string
  readonly #port: number
  #sent = 0

  private constructor(program: Appliance, port: number, endpoint: string) {
    const client = { endpoint, region: REGION, credentials: ANYBODY, maxAttempts: 1 }
    this.program = program
    this.#endpoint = endpoint
    this.#port = port
    this.ec2 = new EC2Client(client)
    this.#firewall = new NetworkFirewallClient(client)
    onTestFinished(() => {
      this.ec2.destroy()
      this.#firewall.destroy()
    })
  }

  static async start(...args: string[]): Promise<ControlledAppliance> {
    const program = new Appliance(['--api', `${HOST}:0`, '--no-auth', ...args])
    const [, endpoint] = await program.says(/^API on (\S+), region/m)
    return new ControlledAppliance(program, await program.port(), endpoint!)
  }

  /** Sends frames, from several ports as mirrored interfaces do, and waits until they have been treated. */
  async send(vni: number, frames: readonly Buffer[]): Promise<void> {
    const senders = await Promise.all(Array.from({ length: 3 }, () => UdpSender.open(HOST)))
    for (const [index, frame] of frames.entries()) {
      await senders[index % senders.length]!.send(vxlan(vni, frame), this.#port, HOST)
    }
    for (const sender of senders) await sender.close()
    this.#sent += frames.length
    const wanted = new RegExp(`^${this.#sent} received = `, 'm')
    await until(() => {
      this.program.signal('SIGUSR2')
      return wanted.test(this.program.stderr)
    })
  }

  async target(): Promise<string> {
    const NetworkInterfaceId = 'eni-0ff00ee11dd22cc33'
    const made = await this.ec2.send(new CreateTrafficMirrorTargetCommand({ NetworkInterfaceId }))
    return made.TrafficMirrorTarget!.TrafficMirrorTargetId!
  }

  async filter(): Promise<string> {
    const made = await this.ec2.send(new CreateTrafficMirrorFilterCommand({}))
    return made.TrafficMirrorFilter!.TrafficMirrorFilterId!
  }

  /** Number 1 of what leaves, accepting, unless said otherwise. */
  async rule(
    TrafficMirrorFilterId: string,
    of: Partial<CreateTrafficMirrorFilterRuleCommandInput>,
  ): Promise<string> {
    const made = await this.ec2.send(
      new CreateTrafficMirrorFilterRuleCommand({
        TrafficMirrorFilterId,
        TrafficDirection: 'egress',
        RuleNumber: 1,
        RuleAction: 'accept',
        SourceCidrBlock: '0.0.0.0/0',
        DestinationCidrBlock: '0.0.0.0/0',
        ...of,
      }),
    )
    return made.TrafficMirrorFilterRule!.TrafficMirrorFilterRuleId!
  }

  async session(
    of: Pick<
      CreateTrafficMirrorSessionCommandInput,
      'NetworkInterfaceId' | 'TrafficMirrorTargetId' | 'TrafficMirrorFilterId'
    > & { VirtualNetworkId: number },
  ): Promise<string> {
    const made = await this.ec2.send(
      new CreateTrafficMirrorSessionCommand({ SessionNumber: 1, ...of }),
    )
    return made.TrafficMirrorSession!.TrafficMirrorSessionId!
  }

  /** Open flows of a session, or of all, as Network Firewall shows them. */
  async flows(firewall: string): Promise<Flow[]> {
    const FirewallArn = `arn:aws:network-firewall:${REGION}:000000000000:firewall/${firewall}`
    const { FlowOperationId } = await this.#firewall.send(
      new StartFlowCaptureCommand({ FirewallArn, FlowFilters: [] }),
    )
    const flows: Flow[] = []
    for (let status: string | undefined = 'IN_PROGRESS'; status === 'IN_PROGRESS'; ) {
      flows.length = 0
      const pages = paginateListFlowOperationResults(
        { client: this.#firewall },
        { FirewallArn, FlowOperationId },
      )
      for await (const page of pages) {
        status = page.FlowOperationStatus
        flows.push(...(page.Flows ?? []))
      }
    }
    return flows
  }

  /** What /health says, once it is as wanted. */
  async healthWhen(
    isWanted: (of: { status: number }) => boolean,
  ): Promise<{ status: number; failures: string[] }> {
    for (;;) {
      const response = await fetch(`${this.#endpoint}/health`)
      const { failures } = (await response.json()) as { failures: string[] }
      const told = { status: response.status, failures }
      if (isWanted(told)) return told
      await delay(50)
    }
  }

  /** Without a chance to finish anything. */
  async kill(): Promise<void> {
    this.program.signal('SIGKILL')
    await this.program.ended()
  }
}
