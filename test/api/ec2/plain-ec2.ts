/** What `PlainEc2` knows of a session, or of a rule: what decides whether a request is refused. */
interface PlainSession {
  eni: string
  target: string
  filter: string
  number: string
  length: string | undefined
}

/** A request, and the code it must meet; undefined for one that must be answered. */
export type Outcome = string | undefined

/**
 * The rules of mirror resources with objects and Maps, one `if` for each: what must come of
 * requests that are well formed. Ids come from what really made them.
 */
export class PlainEc2 {
  readonly targets = new Map<string, string>()
  /** Rules of a filter, `direction number` by id. */
  readonly filters = new Map<string, Map<string, string>>()
  readonly sessions = new Map<string, PlainSession>()
  readonly flowLogs = new Map<string, string>()
  /** `id key`, with its value. */
  readonly tags = new Map<string, string>()

  get ids(): string[] {
    const rules = [...this.filters.values()].flatMap((one) => [...one.keys()])
    return [
      ...this.targets.keys(),
      ...this.filters.keys(),
      ...this.sessions.keys(),
      ...this.flowLogs.keys(),
      ...rules,
    ]
  }

  createTarget(eni: string): Outcome {
    if ([...this.targets.values()].includes(eni)) return 'InterfaceInUseByTrafficMirrorTarget'
    for (const session of this.sessions.values()) {
      if (session.eni === eni) return 'InterfaceInUseByTrafficMirrorSession'
    }
    return undefined
  }

  deleteTarget(id: string): Outcome {
    if (!this.targets.has(id)) return 'InvalidTrafficMirrorTargetId.NotFound'
    for (const session of this.sessions.values()) {
      if (session.target === id) return 'TrafficMirrorTargetInUse'
    }
    this.targets.delete(id)
    this.#untag(id)
    return undefined
  }

  deleteFilter(id: string): Outcome {
    const rules = this.filters.get(id)
    if (rules === undefined) return 'InvalidTrafficMirrorFilterId.NotFound'
    for (const session of this.sessions.values()) {
      if (session.filter === id) return 'TrafficMirrorFilterInUse'
    }
    for (const rule of rules.keys()) this.#untag(rule)
    this.filters.delete(id)
    this.#untag(id)
    return undefined
  }

  createRule(filter: string, place: string): Outcome {
    const rules = this.filters.get(filter)
    if (rules === undefined) return 'InvalidTrafficMirrorFilterId.NotFound'
    if (rules.size === 10) return 'TrafficMirrorFilterRuleLimitExceeded'
    return [...rules.values()].includes(place) ? 'TrafficMirrorFilterRuleAlreadyExists' : undefined
  }

  moveRule(id: string, place: string): Outcome {
    for (const rules of this.filters.values()) {
      if (!rules.has(id)) continue
      for (const [other, taken] of rules) {
        if (other !== id && taken === place) return 'TrafficMirrorFilterRuleAlreadyExists'
      }
      rules.set(id, place)
      return undefined
    }
    return 'InvalidTrafficMirrorFilterRuleId.NotFound'
  }

  deleteRule(id: string): Outcome {
    for (const rules of this.filters.values()) {
      if (!rules.delete(id)) continue
      this.#untag(id)
      return undefined
    }
    return 'InvalidTrafficMirrorFilterRuleId.NotFound'
  }

  /** `id` is that of the session to be changed, undefined for one to be created. */
  checkSession(id: string | undefined, wanted: PlainSession): Outcome {
    if (!this.targets.has(wanted.target)) return 'InvalidTrafficMirrorTargetId.NotFound'
    if (!this.filters.has(wanted.filter)) return 'InvalidTrafficMirrorFilterId.NotFound'
    if ([...this.targets.values()].includes(wanted.eni)) {
      return 'InterfaceInUseByTrafficMirrorTarget'
    }
    const others = [...this.sessions].filter(
      ([other, { eni }]) => other !== id && eni === wanted.eni,
    )
    if (others.some(([, { number }]) => number === wanted.number)) return 'InvalidParameterValue'
    return others.length >= 3 ? 'TrafficMirrorSessionsPerInterfaceLimitExceeded' : undefined
  }

  modifySession(id: string, change: Partial<PlainSession>): Outcome {
    const session = this.sessions.get(id)
    if (session === undefined) return 'InvalidTrafficMirrorSessionId.NotFound'
    const wanted = { ...session, ...change }
    const outcome = this.checkSession(id, wanted)
    if (outcome === undefined) this.sessions.set(id, wanted)
    return outcome
  }

  deleteSession(id: string): Outcome {
    this.#untag(id)
    return this.sessions.delete(id) ? undefined : 'InvalidTrafficMirrorSessionId.NotFound'
  }

  createFlowLog(eni: string): Outcome {
    return [...this.flowLogs.values()].includes(eni) ? 'FlowLogAlreadyExists' : undefined
  }

  deleteFlowLog(id: string): Outcome {
    this.#untag(id)
    return this.flowLogs.delete(id) ? undefined : 'InvalidFlowLogId.NotFound'
  }

  createTag(id: string, key: string, value: string): Outcome {
    if (!this.ids.includes(id)) return this.#notFound(id)
    this.tags.set(`${id} ${key}`, value)
    return undefined
  }

  deleteTag(id: string, key: string): Outcome {
    if (!this.ids.includes(id)) return this.#notFound(id)
    this.tags.delete(`${id} ${key}`)
    return undefined
  }

  #notFound(id: string): string {
    const kinds = { tms: 'Session', tmt: 'Target', tmf: 'Filter', tmfr: 'FilterRule' }
    const kind = kinds[id.slice(0, id.indexOf('-')) as keyof typeof kinds]
    return kind === undefined
      ? 'InvalidFlowLogId.NotFound'
      : `InvalidTrafficMirror${kind}Id.NotFound`
  }

  #untag(id: string): void {
    for (const key of this.tags.keys()) if (key.startsWith(`${id} `)) this.tags.delete(key)
  }
}
