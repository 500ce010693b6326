import {
  type Action,
  ApiError,
  type Caller,
  type Input,
  type Output,
} from '../../aws/protocol/action.js'
import type { ControlPlane } from '../../control/control-plane.js'
import { ageOf, type FlowRow } from '../../flow/flow-row.js'
import { formatWords } from '../../wire/address.js'
import { makePageToken } from '../page-token.js'
import { type Firewall, firewallOf } from './firewall-arn.js'
import { listTagsForResource, tagResource, untagResource } from './firewall-tags.js'
import { describeFirewall, describeFirewallMetadata, listFirewalls } from './firewalls.js'
import { type FlowOperation, type FlowOperations, momentOf } from './flow-operations.js'
import {
  type FlowOperationType,
  positionOf,
  readFilters,
  readFirewallArn,
  readMaxResults,
  readMinimumAge,
  readNextToken,
  readOperationId,
  readOperationType,
  readScope,
  type Scope,
} from './members.js'

/**
 * The flow operations of Network Firewall (API 2020-11-12) on the flows of this
 * appliance, and what shows and tags what is a firewall here.
 *
 * https://docs.aws.amazon.com/network-firewall/latest/developerguide/firewall-flow-operations.html
 */
export function networkFirewallActions(operations: FlowOperations, plane: ControlPlane): Action[] {
  return [
    { name: 'StartFlowCapture', run: start(operations, 'FLOW_CAPTURE') },
    { name: 'StartFlowFlush', run: start(operations, 'FLOW_FLUSH') },
    { name: 'DescribeFlowOperation', run: describe(operations) },
    { name: 'ListFlowOperations', run: list(operations) },
    { name: 'ListFlowOperationResults', run: listResults(operations) },
    { name: 'ListFirewalls', run: listFirewalls(operations, plane) },
    { name: 'DescribeFirewall', run: describeFirewall(operations, plane) },
    { name: 'DescribeFirewallMetadata', run: describeFirewallMetadata(operations, plane) },
    { name: 'ListTagsForResource', run: listTagsForResource(operations, plane) },
    { name: 'TagResource', run: tagResource(operations, plane) },
    { name: 'UntagResource', run: untagResource(operations, plane) },
  ]
}

type Run = Action['run']

function start(operations: FlowOperations, type: FlowOperationType): Run {
  return async (input, caller) => {
    const firewall = readFirewall(input, caller)
    const scope = readScope(input)
    const minimumAgeSeconds = readMinimumAge(input)
    const filters = readFilters(input)
    // Of a thread that hangs no session is known.
    operations.requireAnswers()
    await operations.requireSession(firewall)
    const operation = operations.start({ type, firewall, scope, minimumAgeSeconds, filters })
    return {
      FirewallArn: firewall.arn,
      FlowOperationId: operation.id,
      FlowOperationStatus: operation.status,
    }
  }
}

function describe(operations: FlowOperations): Run {
  return (input, caller) => {
    const operation = findOperation(operations, input, caller)
    return {
      ...head(operation),
      FlowOperationType: operation.type,
      FlowOperation: {
        MinimumFlowAgeInSeconds: operation.minimumAgeSeconds,
        FlowFilters: operation.filters.sent,
      },
    }
  }
}

function list(operations: FlowOperations): Run {
  return async (input, caller) => {
    const firewall = readFirewall(input, caller)
    const scope = readScope(input)
    const type = readOperationType(input)
    const maxResults = readMaxResults(input)
    const question = JSON.stringify([firewall.arn, scope, type])
    // Later operations do not move the ones that a page has yet to show.
    const before = positionOf(question, readNextToken(input)) ?? Number.POSITIVE_INFINITY
    const known = operations.list(firewall)
    if (known.length === 0) await operations.requireSession(firewall)
    const found = known.filter(
      (operation) =>
        operation.number < before &&
        (type === undefined || operation.type === type) &&
        isWithin(operation, scope),
    )
    const page = found.slice(0, maxResults)
    return {
      FlowOperations: page.map((operation) => ({
        FlowOperationId: operation.id,
        FlowOperationType: operation.type,
        FlowRequestTimestamp: new Date(operation.requestedAt),
        FlowOperationStatus: operation.status,
      })),
      NextToken:
        found.length > page.length
          ? makePageToken(question, String(page.at(-1)!.number))
          : undefined,
    }
  }
}

function listResults(operations: FlowOperations): Run {
  return (input, caller) => {
    const maxResults = readMaxResults(input)
    const token = readNextToken(input)
    const operation = findOperation(operations, input, caller)
    const begin = positionOf(operation.id, token) ?? 0
    const length = operation.flows?.length ?? 0
    const end = Math.min(begin + maxResults, length)
    const flows: Output[] = []
    const { atSeconds, atNanoseconds } = momentOf(operation.requestedAt)
    for (let index = begin; index < end; index++) {
      flows.push(flowMember(operation.flows!.at(index), atSeconds, atNanoseconds))
    }
    return {
      ...head(operation),
      Flows: flows,
      NextToken: end < length ? makePageToken(operation.id, String(end)) : undefined,
    }
  }
}

/** What DescribeFlowOperation and every page of results say first. */
function head(operation: FlowOperation) {
  return {
    FirewallArn: operation.firewall.arn,
    AvailabilityZone: operation.scope.availabilityZone,
    VpcEndpointAssociationArn: operation.scope.vpcEndpointAssociationArn,
    VpcEndpointId: operation.scope.vpcEndpointId,
    FlowOperationId: operation.id,
    FlowOperationStatus: operation.status,
    StatusMessage: operation.message,
    FlowRequestTimestamp: new Date(operation.requestedAt),
  }
}

function readFirewall(input: Input, caller: Caller): Firewall {
  return firewallOf(readFirewallArn(input), caller)
}

/** The operation that a request names, on the firewall and in the scope that it names. */
function findOperation(operations: FlowOperations, input: Input, caller: Caller): FlowOperation {
  const firewall = readFirewall(input, caller)
  const scope = readScope(input)
  const id = readOperationId(input)
  const operation = operations.find(id, firewall)
  if (operation === undefined || !isWithin(operation, scope)) {
    throw new ApiError('ResourceNotFoundException', `There is no flow operation ${id}`)
  }
  return operation
}

/** Whether an operation was begun with this scope; none takes in all. */
function isWithin({ scope }: FlowOperation, wanted: Scope): boolean {
  return (Object.keys(wanted) as (keyof Scope)[]).every(
    (name) => wanted[name] === undefined || wanted[name] === scope[name],
  )
}

/** The type of PacketCount and Age has no more. */
const INT_MAX = 0x7fff_ffff

/** A flow as ListFlowOperationResults has it; its age is that at a moment. */
export function flowMember(row: FlowRow, seconds: number, nanoseconds: number) {
  return {
    SourceAddress: { AddressDefinition: formatWords(row.ipVersion, row.packetSource) },
    DestinationAddress: { AddressDefinition: formatWords(row.ipVersion, row.packetDestination) },
    SourcePort: String(row.sourcePort),
    DestinationPort: String(row.destinationPort),
    Protocol: String(row.protocol),
    Age: Math.min(ageOf(row, seconds, nanoseconds), INT_MAX),
    PacketCount: Math.min(row.packets, INT_MAX),
    ByteCount: row.bytes,
  }
}
