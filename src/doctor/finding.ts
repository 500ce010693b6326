/** Something that was looked at. */
export interface Finding {
  /** What was looked at: `port`, `buffer`, … */
  readonly check: string
  /** `problem`: packets are lost, or will be. `warning`: it works, and could go wrong. */
  readonly level: 'ok' | 'warning' | 'problem'
  /** What is the case, one sentence. */
  readonly what: string
  /** Why it matters, and what mends it: a command where there is one. Of what is well, neither. */
  readonly why?: string
  readonly fix?: string
}

export function ok(check: string, what: string): Finding {
  return { check, level: 'ok', what }
}
