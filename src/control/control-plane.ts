import { OperatorError } from '../errors.js'
import type { NetworkInterface, Tag, TransitGateway } from '../mirror/resources.js'
import type { Disk } from '../sink/disk.js'
import { within } from '../sink/within.js'
import { checkDeclared, type Declaration } from './declaration.js'
import { Draft } from './draft.js'
import { AWS_QUOTAS, type Quotas } from './quotas.js'
import { Refusal } from './refusal.js'
import { type Change, EMPTY_STATE, type Followed, type Resources, type State } from './state.js'
import type { StateFile } from './state-file.js'
import type { StateChanges } from './state-journal.js'

export interface ControlPlaneOptions {
  /** Where the state is kept; left out, it lives as long as the process. */
  readonly stateFile?: string | undefined
  readonly quotas?: Quotas
  /** The interfaces that the configuration names. Others may be mirrored too. */
  readonly interfaces?: readonly NetworkInterface[]
  /** Those that the configuration names; there may be flow logs of no others. */
  readonly transitGateways?: readonly TransitGateway[]
  /** Takes a line for the operator. */
  readonly onProblem: (line: string) => void
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  /** How long a change waits for the disk, and then for the listener, in milliseconds. */
  readonly patienceMs?: number
}

/** Is told of changes, in order. */
type ChangeListener = (changes: readonly Change[]) => void | Promise<void>

const PATIENCE_MS = 5000

/** Changes saved together. Between two batches others get their turn. */
const BATCH_MAX = 64

interface Waiting {
  run(draft: Draft): void
  done(): void
  failed(error: unknown): void
}

/**
 * Which targets, filters, sessions and flow logs there are, and the one way to change that.
 *
 * A change is first saved, then told to the listeners, then answered. Until it is saved nobody
 * sees it, so that what was seen once is there after a crash. Changes that arrive
 * while others are being saved are saved and told together.
 */
export class ControlPlane {
  readonly #options: ControlPlaneOptions
  readonly #quotas: Quotas
  readonly #file: StateFile | undefined
  #state: State
  readonly #listeners: ChangeListener[] = []
  readonly #waiting: Waiting[] = []
  #working: Promise<void> | undefined
  #isFailing = false
  /** What has not ended in time; until it has, nothing is changed. Never rejects. */
  #overdue: Promise<void> | undefined

  private constructor(options: ControlPlaneOptions, file: StateFile | undefined, state: State) {
    this.#options = options
    this.#quotas = options.quotas ?? AWS_QUOTAS
    this.#file = file
    this.#state = withInterfaces(state, options.interfaces ?? [])
  }

  /**
   * Reads the state file, if one is named; a damaged one is renamed, said, and begun anew.
   * Throws OperatorError when the file cannot be read or written or is of a later version.
   */
  static async open(options: ControlPlaneOptions): Promise<ControlPlane> {
    if (options.stateFile === undefined) return new ControlPlane(options, undefined, EMPTY_STATE)
    // The schema's package is loaded only where there is something to check.
    const { StateFile } = await import('./state-file.js')
    const file = new StateFile(options.stateFile)
    const state = await file.open(options.onProblem)
    return new ControlPlane(options, file, state)
  }

  /** What the state is saved on; undefined where it is not. */
  get disk(): Disk | undefined {
    return this.#file?.disk
  }

  /** As of the last change that was saved. */
  get resources(): Resources {
    return this.#state.resources
  }

  get applianceTags(): readonly Tag[] {
    return this.#state.applianceTags
  }

  get interfaces(): ReadonlyMap<string, NetworkInterface> {
    return this.#state.resources.interfaces
  }

  get followed(): Followed | undefined {
    return this.#state.followed
  }

  get transitGateways(): readonly TransitGateway[] {
    return this.#options.transitGateways ?? []
  }

  /**
   * Has `listener` hear of every change from now on, when it is saved and before whoever asked for
   * it is answered; the answer waits for the promise. Nothing else changes meanwhile.
   */
  follow(listener: ChangeListener): void {
    this.#listeners.push(listener)
  }

  /**
   * Does `work` after all changes before it. Resolves with its result when what it changed
   * is saved and told; rejects with what it throws, having changed nothing. A disk that hangs has it
   * refused, and never counted should it be written after all; where that is too late, or a listener hangs, it
   * is answered with a refusal that says that it is made.
   */
  change<T>(work: (draft: Draft) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let result: T
      this.#waiting.push({
        run: (draft) => {
          result = work(draft)
        },
        done: () => resolve(result),
        failed: reject,
      })
      this.#working ??= this.#work()
    })
  }

  /**
   * Adds what the configuration declares. It is not saved, and the API cannot change it.
   *
   * Where the state file has a resource of the same id, the configuration wins and the saved
   * one goes at the next change. Anything else that cannot be beside it (a session
   * number or target taken, a quota) is an OperatorError with exit code 2. Saved sessions
   * whose target or filter is declared no longer stay and mirror nothing; each is a
   * line. For the start: listeners hear nothing of it, `resources` has it.
   */
  declare(declaration: Declaration): void {
    const draft = this.#draftOf(this.#state)
    try {
      checkDeclared(draft, declaration, this.#options.onProblem)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      throw new OperatorError(`the configuration cannot be used: ${error.message}`, {
        exitCode: 2,
        cause: error,
      })
    }
    const declared = draft.changes.map(({ id }) => id)
    this.#state = { ...draft.state, declared: new Set([...draft.state.declared, ...declared]) }
  }

  /** Waits for what was asked before. The state file is then all there is, without its journal. */
  async close(): Promise<void> {
    await this.#working
    if (!(await this.#isSettled())) {
      this.#options.onProblem('the state is left as it is: the disk does not answer')
      return
    }
    try {
      await this.#file?.close(this.#state)
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error
      this.#options.onProblem(error.message)
    }
  }

  async #work(): Promise<void> {
    // What is asked in the same turn is saved together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      await this.#workOn(this.#waiting.splice(0, BATCH_MAX))
    }
    // In the same turn as the loop's last look, so that nothing comes in between and waits for ever.
    this.#working = undefined
  }

  async #workOn(batch: readonly Waiting[]): Promise<void> {
    if (!(await this.#isSettled())) {
      const what = 'A change before this one is still under way; this one was not made'
      for (const waiting of batch) waiting.failed(new Refusal('ServiceUnavailable', what))
      return
    }
    let state = this.#state
    const changes: Change[] = []
    const tokenUses: Draft['tokenUses'] = []
    const refused = new Map<Waiting, unknown>()
    for (const waiting of batch) {
      const draft = this.#draftOf(state)
      try {
        waiting.run(draft)
        state = draft.state
        changes.push(...draft.changes)
        tokenUses.push(...draft.tokenUses)
      } catch (error) {
        refused.set(waiting, error)
      }
    }
    let untold: { readonly error: unknown } | undefined
    if (state !== this.#state) {
      try {
        if (!(await this.#save(state, { changes, tokenUses }))) untold = { error: unsaved() }
      } catch (error) {
        // What refused one of them may be another that was not saved.
        for (const waiting of batch) waiting.failed(error)
        return
      }
      this.#state = state
      if (changes.length > 0) {
        await this.#tell(changes).catch((error: unknown) => {
          untold ??= { error }
        })
      }
    }
    for (const waiting of batch) {
      if (refused.has(waiting)) waiting.failed(refused.get(waiting))
      else if (untold !== undefined) waiting.failed(untold.error)
      else waiting.done()
    }
  }

  /**
   * Throws a refusal where the changes are not saved, and never will be. Returns whether they are known
   * to be: a disk may hang when it is too late for a refusal.
   */
  async #save(state: State, changes: StateChanges): Promise<boolean> {
    const file = this.#file
    if (file === undefined) return true
    let isRefused = false
    let isDecided = false
    const saving = file.write(state, changes, () => {
      isDecided = !isRefused
      return isDecided
    })
    try {
      if ((await within(saving, this.#patienceMs)) === undefined) {
        this.#wait(saving)
        isRefused = !isDecided
        throw new OperatorError(`the state has not been saved for ${this.#patienceMs / 1000} s`)
      }
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error
      if (!this.#isFailing) this.#options.onProblem(`${error.message}; the API refuses changes`)
      this.#isFailing = true
      if (isDecided && this.#overdue !== undefined) return false
      throw new Refusal('ServiceUnavailable', 'The change cannot be saved and was not made')
    }
    if (this.#isFailing) this.#options.onProblem('the state is saved again; the API takes changes')
    this.#isFailing = false
    return true
  }

  async #tell(changes: readonly Change[]): Promise<void> {
    const telling = Promise.all(this.#listeners.map(async (listener) => listener(changes)))
    if ((await within(telling, this.#patienceMs)) !== undefined) return
    this.#wait(telling.then(() => undefined))
    throw new Refusal(
      'ServiceUnavailable',
      'The change is made and saved, but not everything follows it yet; do not repeat it',
    )
  }

  #wait(overdue: Promise<void>): void {
    const settled = overdue
      // After a save that failed, the next writes everything; and what listens says itself what is wrong.
      .catch(() => undefined)
      .finally(() => {
        if (this.#overdue === settled) this.#overdue = undefined
      })
    this.#overdue = settled
  }

  /** Whether nothing is overdue any more, after a while. */
  async #isSettled(): Promise<boolean> {
    if (this.#overdue === undefined) return true
    return (await within(this.#overdue, this.#patienceMs)) !== undefined
  }

  get #patienceMs(): number {
    return this.#options.patienceMs ?? PATIENCE_MS
  }

  #draftOf(state: State): Draft {
    const now = this.#options.now?.() ?? Date.now()
    const { transitGateways } = this
    return new Draft(state, {
      quotas: this.#quotas,
      transitGateways,
      now,
    })
  }
}

/** Those of the configuration are there in place of saved ones. */
function unsaved(): Refusal {
  return new Refusal(
    'ServiceUnavailable',
    'The change is made, but it is not known to be saved, since the disk does not answer; do not repeat it',
  )
}

function withInterfaces(state: State, configured: readonly NetworkInterface[]): State {
  if (configured.length === 0) return state
  const interfaces = new Map(state.resources.interfaces)
  for (const found of configured) interfaces.set(found.id, found)
  const ids = configured.map(({ id }) => id)
  return {
    ...state,
    resources: { ...state.resources, interfaces },
    declared: new Set([...state.declared, ...ids]),
  }
}
