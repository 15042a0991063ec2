// Memory that spans are read into, which later ones take: memory that is new costs more than what is computed of it.

/** Buffers of one task, for as long as it reads. */
export class SpanMemory {
  readonly #free: ArrayBuffer[] = [];
  readonly #returned: { readonly buffers: readonly ArrayBuffer[]; readonly done: Promise<void> }[] = [];

  /**
   * Memory of at least so many bytes. Of what was given back, the last two returns are left alone, as a device may be
   * at work on them.
   * @throws what the device's work left
   */
  async take(byteLength: number): Promise<ArrayBuffer> {
    while (this.#returned.length > 2) {
      const { buffers, done } = this.#returned.shift()!;
      await done;
      this.#free.push(...buffers);
    }
    const place = this.#free.findIndex((one) => one.byteLength >= byteLength && one.byteLength <= 2 * byteLength);
    if (place >= 0) return this.#free.splice(place, 1)[0]!;
    // Memory of another size would stay for nothing.
    this.#free.length = 0;
    return new ArrayBuffer(byteLength);
  }

  /** Gives memory back, to be taken again once `done` has resolved. */
  giveBack(buffers: readonly ArrayBuffer[], done: Promise<void>): void {
    // Whoever takes memory hears of an error.
    done.catch(() => {});
    this.#returned.push({ buffers, done });
  }
}
