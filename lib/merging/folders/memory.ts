// Memory that spans are read into, which later ones take: memory that is new costs more than what is computed of it.

/** Buffers of one task, for as long as it reads. */
export class SpanMemory {
  readonly #free: ArrayBuffer[] = [];
  readonly #returned: { readonly buffers: readonly ArrayBuffer[]; readonly done: Promise<void> }[] = [];
  #failure: { readonly error: unknown } | undefined;

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
    this.check();
    const place = this.#free.findIndex((one) => one.byteLength >= byteLength && one.byteLength <= 2 * byteLength);
    if (place >= 0) return this.#free.splice(place, 1)[0]!;
    // Memory of another size would stay for nothing.
    this.#free.length = 0;
    return new ArrayBuffer(byteLength);
  }

  /** Gives memory back, to be taken again once `done` has resolved; a rejection is for `check`. */
  giveBack(buffers: readonly ArrayBuffer[], done: Promise<void>): void {
    const seen = done.catch((error: unknown) => {
      this.#failure ??= { error };
    });
    this.#returned.push({ buffers, done: seen });
  }

  /** @throws what the device's work left so far, again and again: what was computed since then is wrong */
  check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** Waits for all work on memory that was given back. @throws as `check` */
  async settle(): Promise<void> {
    for (const { done } of this.#returned) await done;
    this.check();
  }
}
