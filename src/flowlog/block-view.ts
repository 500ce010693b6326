/**
 * The DataView of the block being written to. Thousands of records go into a
 * block before the next is taken, so the view is made once for each.
 */
export class BlockView {
  #block: Buffer | undefined = undefined
  #view: DataView = new DataView(new ArrayBuffer(0))

  of(block: Buffer): DataView {
    if (block !== this.#block) {
      this.#view = new DataView(block.buffer, block.byteOffset, block.byteLength)
      this.#block = block
    }
    return this.#view
  }
}
