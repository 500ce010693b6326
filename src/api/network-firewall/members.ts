import { ApiError, type Input } from '../../aws/protocol/action.js'
import { type FlowFilter, parseFlowFilters } from '../../flow/flow-filter.js'
import type { Tag } from '../../mirror/resources.js'
import { readPageToken } from '../page-token.js'

/**
 * Members of the requests of Network Firewall, each with the
 * constraint that AWS's model (2020-11-12) has for it. Everything that breaks one
 * is an InvalidRequestException that names the member.
 */

/** The part of a firewall that an operation is about: one of AWS's three ways to say so, or all of it. */
export interface Scope {
  readonly availabilityZone: string | undefined
  readonly vpcEndpointAssociationArn: string | undefined
  readonly vpcEndpointId: string | undefined
}

export type FlowOperationType = 'FLOW_CAPTURE' | 'FLOW_FLUSH'

/** A page holds no more, and as many where the request does not say. */
const PAGE_MAX = 100
const INT_MAX = 0x7fff_ffff
/** AWS sets no limit; some is needed, for it is kept. */
const PROTOCOLS_MAX = 256
const TAGS_MAX = 200
/** AWS sets no limit. */
const VPC_IDS_MAX = 1000

export function readFirewallArn(input: Input): string {
  return required('FirewallArn', readAnyFirewallArn(input))
}

export function readAnyFirewallArn(input: Input): string | undefined {
  return readText(input, 'FirewallArn', 1, 256, /^arn:aws/)
}

/** The model has letters, digits and hyphens; names of sessions have `_`, `.` and `:` too, and are understood. */
export function readFirewallName(input: Input): string | undefined {
  return readText(input, 'FirewallName', 1, 128, /^[a-zA-Z0-9_.:-]+$/)
}

export function readResourceArn(input: Input): string {
  return required('ResourceArn', readText(input, 'ResourceArn', 1, 256, /^arn:aws/))
}

/** None are all of them. */
export function readVpcIds(input: Input): readonly string[] {
  const ids = readList(input, 'VpcIds', 0, VPC_IDS_MAX) ?? []
  for (const id of ids) {
    if (typeof id === 'string' && id.length <= 128 && /^vpc-[0-9a-f]+$/.test(id)) continue
    throw invalid('VpcIds must hold ids that match ^vpc-[0-9a-f]+$')
  }
  return ids as string[]
}

export function readTags(input: Input): readonly Tag[] {
  return required('Tags', readList(input, 'Tags', 1, TAGS_MAX)).map((tag) => {
    const { Key: key, Value: value } = (tag ?? {}) as { Key?: unknown; Value?: unknown }
    if (typeof key === 'string' && typeof value === 'string') return { key, value }
    throw invalid('Each of Tags must have a Key and a Value, which are strings')
  })
}

export function readTagKeys(input: Input): readonly string[] {
  const keys = required('TagKeys', readList(input, 'TagKeys', 1, TAGS_MAX))
  for (const key of keys) {
    if (typeof key === 'string' && key.length >= 1 && key.length <= 128) continue
    throw invalid('TagKeys must hold strings of 1 to 128 characters')
  }
  return keys as string[]
}

/** How many tags a page may have; 0 leaves it to us. */
export function readTagPageLength(input: Input): number {
  return readInteger(input, 'MaxResults', 0, PAGE_MAX) || PAGE_MAX
}

/**
 * AWS offers the three as alternatives and does not say what it makes of several:
 * those are refused here. None is the whole firewall.
 */
export function readScope(input: Input): Scope {
  const scope = {
    availabilityZone: readText(input, 'AvailabilityZone', 1, 256),
    vpcEndpointAssociationArn: readText(input, 'VpcEndpointAssociationArn', 1, 256, /^arn:aws/),
    vpcEndpointId: readText(input, 'VpcEndpointId', 5, 256, /^vpce-[a-zA-Z0-9]*$/),
  }
  if (Object.values(scope).filter((value) => value !== undefined).length > 1) {
    throw invalid(
      'Give one of AvailabilityZone, VpcEndpointAssociationArn and VpcEndpointId, not several',
    )
  }
  return scope
}

export function readOperationId(input: Input): string {
  const name = 'FlowOperationId'
  const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/
  return required(name, readText(input, name, 36, 36, uuid))
}

export function readOperationType(input: Input): FlowOperationType | undefined {
  const name = 'FlowOperationType'
  return readText(input, name, 1, 16, /^(?:FLOW_CAPTURE|FLOW_FLUSH)$/) as FlowOperationType
}

/** In seconds; undefined where it is not given, which is 0. */
export function readMinimumAge(input: Input): number | undefined {
  return readInteger(input, 'MinimumFlowAgeInSeconds', 0, INT_MAX)
}

/** How many entries a page may have. */
export function readMaxResults(input: Input): number {
  return readInteger(input, 'MaxResults', 1, PAGE_MAX) ?? PAGE_MAX
}

export function readNextToken(input: Input): string | undefined {
  return readText(input, 'NextToken', 1, 4096, /^[0-9A-Za-z:/+=]+$/)
}

/** The number that a token of this question holds; undefined without a token. */
export function positionOf(question: string, token: string | undefined): number | undefined {
  if (token === undefined) return undefined
  const position = readPageToken(question, token)
  if (position !== undefined && /^\d+$/.test(position)) return Number(position)
  throw invalid('NextToken is not valid for this request')
}

/** Filters as they were sent, and as flows are held against them. An empty list lets every flow pass. */
export interface SentFilters {
  readonly sent: readonly Record<string, unknown>[]
  readonly filters: readonly FlowFilter[]
}

export function readFilters(input: Input): SentFilters {
  const value = required('FlowFilters', input['FlowFilters'])
  const filters = parseFlowFilters(value)
  if (typeof filters === 'string') throw invalid(filters)
  const sent = (value as Record<string, unknown>[]).map((filter, index) => {
    const protocols = filter['Protocols'] as readonly string[] | undefined
    if ((protocols?.length ?? 0) > PROTOCOLS_MAX) {
      throw invalid(`FlowFilters[${index}].Protocols holds more than ${PROTOCOLS_MAX} protocols`)
    }
    return structuredClone(filter)
  })
  return { sent, filters }
}

function readText(
  input: Input,
  name: string,
  min: number,
  max: number,
  pattern?: RegExp,
): string | undefined {
  const value = input[name]
  if (value === undefined) return undefined
  if (typeof value !== 'string') throw invalid(`${name} must be a string`)
  if (value.length < min || value.length > max) {
    const length = min === max ? `${min}` : `${min} to ${max}`
    throw invalid(`${name} must be ${length} characters long`)
  }
  if (pattern !== undefined && !pattern.test(value)) {
    throw invalid(`${name} must match ${pattern.source}`)
  }
  return value
}

function readList(
  input: Input,
  name: string,
  min: number,
  max: number,
): readonly unknown[] | undefined {
  const value = input[name]
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw invalid(`${name} must be a list`)
  if (value.length >= min && value.length <= max) return value
  throw invalid(`${name} must have ${min} to ${max} entries`)
}

function readInteger(input: Input, name: string, min: number, max: number): number | undefined {
  const value = input[name]
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw invalid(`${name} must be a whole number from ${min} to ${max}`)
  }
  return value
}

function required<T>(name: string, value: T | undefined): T {
  if (value === undefined) throw invalid(`${name} is required`)
  return value
}

function invalid(message: string): ApiError {
  return new ApiError('InvalidRequestException', message)
}
