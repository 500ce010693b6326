/**
 * The DataView of the block that is read or written at the moment. Thousands of packets or records
 * share a block, so the view is made once for each block.
 */
export class BlockView {
  #block: Uint8Array | undefined = undefined
  #view: DataView = new DataView(new ArrayBuffer(0))

  of(block: Uint8Array): DataView {
    if (block !== this.#block) {
      this.#view = new DataView(block.buffer, block.byteOffset, block.byteLength)
      this.#block = block
    }
    return this.#view
  }
}
