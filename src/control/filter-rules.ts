import { FILTER_RULE, type FilterRule, type MirrorFilter } from '../mirror/resources.js'
import { parseCidr } from '../wire/address.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import type { Draft } from './draft.js'
import { unknownId } from './ids.js'
import { modified } from './modification.js'
import { Refusal } from './refusal.js'
import type { Resources } from './state.js'

type NewRule = Omit<FilterRule, 'id'>

type RuleChange = { readonly [M in keyof Omit<NewRule, 'tags'>]?: NewRule[M] | undefined }

export function createRule(draft: Draft, filterId: string, wanted: NewRule): FilterRule {
  const filter = draft.existing('filters', filterId)
  if (filter.rules.length >= draft.quotas.rulesPerFilter) {
    throw new Refusal(
      'TrafficMirrorFilterRuleLimitExceeded',
      `The maximum number of rules of a traffic mirror filter is ${draft.quotas.rulesPerFilter}`,
    )
  }
  const tags = draft.newTags(wanted.tags)
  const rule = { ...wanted, id: newRuleId(draft), tags }
  checkRule(filter, rule)
  draft.put('filters', { ...filter, rules: [...filter.rules, rule] })
  return rule
}

/** Members left undefined stay as they are; those of `remove` become unset. */
export function modifyRule(
  draft: Draft,
  id: string,
  change: RuleChange,
  remove: readonly string[],
): FilterRule {
  const { filter, rule } = filterOfRule(draft.resources, id)
  const next = modified(FILTER_RULE, rule, change, remove)
  checkRule(filter, next)
  replaceRule(draft, filter, next)
  return next
}

export function deleteRule(draft: Draft, id: string): void {
  const { filter } = filterOfRule(draft.resources, id)
  draft.put('filters', { ...filter, rules: filter.rules.filter((rule) => rule.id !== id) })
}

export function filterOfRule(
  resources: Resources,
  id: string,
): { filter: MirrorFilter; rule: FilterRule } {
  for (const filter of resources.filters.values()) {
    const rule = filter.rules.find((candidate) => candidate.id === id)
    if (rule !== undefined) return { filter, rule }
  }
  throw unknownId('tmfr', id)
}

export function replaceRule(draft: Draft, filter: MirrorFilter, rule: FilterRule): void {
  const rules = filter.rules.map((other) => (other.id === rule.id ? rule : other))
  draft.put('filters', { ...filter, rules })
}

/**
 * Whether the rule makes sense and its filter has no other of its number and direction.
 *
 * Ports go with TCP and UDP, and with no protocol at all: EC2 does not say what such a
 * rule is; here it holds for every packet that has ports.
 */
export function checkRule(filter: MirrorFilter, rule: FilterRule): void {
  const same = filter.rules.find(
    ({ id, direction, ruleNumber }) =>
      id !== rule.id && direction === rule.direction && ruleNumber === rule.ruleNumber,
  )
  if (same !== undefined) {
    throw new Refusal(
      'TrafficMirrorFilterRuleAlreadyExists',
      `The ${rule.direction} rule number ${rule.ruleNumber} of ${filter.id} is ${same.id} already`,
    )
  }
  const { protocol, sourcePortRange, destinationPortRange } = rule
  const hasPorts = sourcePortRange !== undefined || destinationPortRange !== undefined
  if (
    hasPorts &&
    protocol !== undefined &&
    protocol !== PROTOCOL_TCP &&
    protocol !== PROTOCOL_UDP
  ) {
    throw new Refusal(
      'InvalidParameterCombination',
      `Port ranges are for the protocols 6 (TCP) and 17 (UDP), not for ${protocol}`,
    )
  }
  if (parseCidr(rule.sourceCidr)?.version !== parseCidr(rule.destinationCidr)?.version) {
    throw new Refusal(
      'InvalidParameterValue',
      `The source '${rule.sourceCidr}' and the destination '${rule.destinationCidr}' must be of the same IP version`,
    )
  }
}

function newRuleId(draft: Draft): string {
  for (;;) {
    const id = draft.newId('tmfr')
    const taken = [...draft.resources.filters.values()].some((filter) =>
      filter.rules.some((rule) => rule.id === id),
    )
    if (!taken) return id
  }
}
