/** `down`: nothing comes until it is up again. `gone`: there is none of this name, until there is one. */
export type LinkState = 'up' | 'down' | 'gone'

/** Three system calls each time, and only while it is not up. */
const LOOK_MS = 250

/**
 * Follows an interface that is down. The kernel says ENETDOWN once, also to a packet socket
 * that is bound to an interface which is down already. The socket goes on by itself when the
 * interface is up again; but nothing is reported when one that was down is removed, nor when
 * there is another of its name. So from the first ENETDOWN on we look, until it is up.
 */
export class LinkWatch {
  readonly #look: () => LinkState | undefined
  readonly #onLink: (state: LinkState) => void
  readonly #lookMs: number
  #state: LinkState = 'up'
  #looking: NodeJS.Timeout | undefined

  /** `look` answers undefined when all is over. `onLink` is told of changes. */
  constructor(
    look: () => LinkState | undefined,
    onLink: (state: LinkState) => void,
    lookMs: number = LOOK_MS,
  ) {
    this.#look = look
    this.#onLink = onLink
    this.#lookMs = lookMs
  }

  begin(): void {
    this.#looking ??= setInterval(() => this.#lookAgain(), this.#lookMs)
    this.#lookAgain()
  }

  end(): void {
    clearInterval(this.#looking)
    this.#looking = undefined
  }

  #lookAgain(): void {
    const state = this.#look()
    if (state === undefined) return
    if (state === 'up') this.end()
    if (state === this.#state) return
    this.#state = state
    this.#onLink(state)
  }
}
