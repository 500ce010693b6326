/** Escape sequences of a terminal (ECMA-48 SGR), or nothing where no colour is wanted. */
export class Paint {
  readonly #on: boolean

  constructor(on: boolean) {
    this.#on = on
  }

  heading(text: string): string {
    return this.#wrap(text, 1, 22)
  }

  problem(text: string): string {
    return this.#wrap(text, 31, 39)
  }

  notice(text: string): string {
    return this.#wrap(text, 33, 39)
  }

  good(text: string): string {
    return this.#wrap(text, 32, 39)
  }

  dim(text: string): string {
    return this.#wrap(text, 2, 22)
  }

  #wrap(text: string, begin: number, end: number): string {
    return this.#on && text !== '' ? `\x1b[${begin}m${text}\x1b[${end}m` : text
  }
}
