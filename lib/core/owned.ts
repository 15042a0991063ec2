interface Disposing {
  dispose(): void;
}

/**
 * Owner of the things that a call makes. They are given back however the call ends, the last first:
 * `using owned = new Owned()`. Results of the call are released, or move to an owner that lives longer.
 */
export class Owned<T extends Disposing = Disposing> {
  #things = new Set<T>();

  add<U extends T>(thing: U): U {
    this.#things.add(thing);
    return thing;
  }

  /** Leaves a thing to the caller, who gives it back. */
  release<U extends T>(thing: U): U {
    this.#things.delete(thing);
    return thing;
  }

  /** Gives one thing back at once. */
  drop(thing: T): void {
    if (this.#things.delete(thing)) thing.dispose();
  }

  /** A new owner of all that there is; this one has nothing left. */
  move(): Owned<T> {
    const other = new Owned<T>();
    other.#things = this.#things;
    this.#things = new Set();
    return other;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#things.values();
  }

  dispose(): void {
    const things = [...this.#things].reverse();
    this.#things.clear();
    for (const thing of things) thing.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
