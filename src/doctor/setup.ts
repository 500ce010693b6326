/** What mirroring towards this host is set up for. What is not known is left for the reader to fill in. */
export interface Setup {
  /** Of this host. */
  readonly targetInterface: string | undefined
  readonly securityGroup: string | undefined
  /** Interfaces to mirror. */
  readonly sources: readonly string[]
  /** From where mirrored packets come. */
  readonly sourceCidr: string
  /** The first session's; the others follow. */
  readonly vni: number | undefined
  readonly region: string | undefined
}

const PORT = 4789
const DIRECTIONS = ['ingress', 'egress'] as const
const FAMILIES = [
  ['IPv4', '0.0.0.0/0'],
  ['IPv6', '::/0'],
] as const

/** Lines for a shell with the AWS CLI. */
export function awsLines(setup: Setup): string[] {
  const { targetInterface, securityGroup, sources, sourceCidr, vni, region } = setup
  const aws = `aws ec2${region === undefined ? '' : ` --region ${region}`}`
  const lines = [
    '#!/bin/sh',
    'set -e',
    `TARGET_INTERFACE=${targetInterface ?? 'eni-FILL-IN'}  # of this host`,
    `SECURITY_GROUP=${securityGroup ?? 'sg-FILL-IN'}  # of that interface`,
    '',
    `${aws} authorize-security-group-ingress --group-id "$SECURITY_GROUP" --protocol udp --port ${PORT} --cidr ${sourceCidr}`,
    `TARGET=$(${aws} create-traffic-mirror-target --network-interface-id "$TARGET_INTERFACE" \\`,
    '  --description mirrortap --query TrafficMirrorTarget.TrafficMirrorTargetId --output text)',
    `FILTER=$(${aws} create-traffic-mirror-filter --description mirrortap \\`,
    '  --query TrafficMirrorFilter.TrafficMirrorFilterId --output text)',
  ]
  for (const direction of DIRECTIONS) {
    for (const [index, [, any]] of FAMILIES.entries()) {
      lines.push(
        `${aws} create-traffic-mirror-filter-rule --traffic-mirror-filter-id "$FILTER" --traffic-direction ${direction} \\`,
        `  --rule-number ${index + 1} --rule-action accept --source-cidr-block ${any} --destination-cidr-block ${any}`,
      )
    }
  }
  for (const [index, source] of named(sources).entries()) {
    const network = vni === undefined ? '' : ` --virtual-network-id ${vni + index}`
    lines.push(
      `${aws} create-traffic-mirror-session --network-interface-id ${source} --session-number 1 \\`,
      `  --traffic-mirror-target-id "$TARGET" --traffic-mirror-filter-id "$FILTER"${network}`,
    )
  }
  return lines
}

/** Resources for Terraform's AWS provider. */
export function terraformLines(setup: Setup): string[] {
  const { targetInterface, securityGroup, sources, sourceCidr, vni, region } = setup
  const lines = [
    ...(region === undefined ? [] : block('provider "aws"', { region: quoted(region) })),
    ...block('resource "aws_vpc_security_group_ingress_rule" "mirrortap"', {
      security_group_id: quoted(securityGroup ?? 'sg-FILL-IN'),
      ip_protocol: quoted('udp'),
      from_port: String(PORT),
      to_port: String(PORT),
      cidr_ipv4: quoted(sourceCidr),
    }),
    ...block('resource "aws_ec2_traffic_mirror_target" "mirrortap"', {
      description: quoted('mirrortap'),
      network_interface_id: quoted(targetInterface ?? 'eni-FILL-IN'),
    }),
    ...block('resource "aws_ec2_traffic_mirror_filter" "mirrortap"', {
      description: quoted('mirrortap'),
    }),
  ]
  for (const direction of DIRECTIONS) {
    for (const [index, [family, any]] of FAMILIES.entries()) {
      const name = `${direction}_${family.toLowerCase()}`
      lines.push(
        ...block(`resource "aws_ec2_traffic_mirror_filter_rule" "${name}"`, {
          traffic_mirror_filter_id: 'aws_ec2_traffic_mirror_filter.mirrortap.id',
          traffic_direction: quoted(direction),
          rule_number: String(index + 1),
          rule_action: quoted('accept'),
          source_cidr_block: quoted(any),
          destination_cidr_block: quoted(any),
        }),
      )
    }
  }
  for (const [index, source] of named(sources).entries()) {
    lines.push(
      ...block(`resource "aws_ec2_traffic_mirror_session" "source_${index + 1}"`, {
        network_interface_id: quoted(source),
        session_number: '1',
        traffic_mirror_target_id: 'aws_ec2_traffic_mirror_target.mirrortap.id',
        traffic_mirror_filter_id: 'aws_ec2_traffic_mirror_filter.mirrortap.id',
        ...(vni !== undefined && { virtual_network_id: String(vni + index) }),
      }),
    )
  }
  return lines.slice(0, -1)
}

/** One block, its arguments in a column as `terraform fmt` has them, and an empty line. */
function block(head: string, values: Readonly<Record<string, string>>): string[] {
  const width = Math.max(...Object.keys(values).map((name) => name.length))
  const rows = Object.entries(values).map(([name, value]) => `  ${name.padEnd(width)} = ${value}`)
  return [`${head} {`, ...rows, '}', '']
}

function named(sources: readonly string[]): readonly string[] {
  return sources.length === 0 ? ['eni-FILL-IN-SOURCE'] : sources
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
