// Folders of text files that live in memory: an input is their contents in a fixed order, with a NUL after each.
export class TextFolder {
  constructor(names) {
    this.names = names;
    this.files = new Map();
  }

  /** Texts of an input in Latin-1; undefined for files that are not there. */
  split(input) {
    const parts = input.toString('latin1').split('\0');
    return this.names.map((_, i) => (parts[i] ? parts[i] : undefined));
  }

  join(texts) {
    return Buffer.from(`${texts.map((text) => (text ?? '').replaceAll('\0', ' ')).join('\0')}\0`, 'latin1');
  }

  /** Makes the input what the library sees in every folder. */
  open(input) {
    this.files.clear();
    for (const [i, text] of this.split(input).entries())
      if (text !== undefined) this.files.set(this.names[i], Buffer.from(text, 'latin1'));
  }

  /** Puts the files in the place of those of the system. */
  install(calls) {
    const at = (path) => {
      const bytes = this.files.get(path.split('/').at(-1));
      if (!bytes) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
      return bytes;
    };
    Object.assign(calls, {
      realpath: async (path) => path,
      stat: async () => ({ isDirectory: () => true, isFile: () => false }),
      open: async (path) => at(path),
      fstat: async (bytes) => ({ isFile: () => true, size: bytes.length }),
      read: async (bytes, into, position) => bytes.copy(into, 0, position, position + into.length),
      close: async () => {},
    });
  }

  mutate(random, pool, fresh, values, keys, changed) {
    const from = pool.length === 0 || random.chance(0.3) ? fresh(random) : this.split(random.of(pool));
    const other = pool.length === 0 ? '' : random.of(pool).toString('latin1');
    const place = random.chance(0.6) ? 0 : random.below(this.names.length);
    return this.join(
      this.names.map((_, i) => (i === place ? changed(random, from[i] ?? '{}', other, values, keys) : from[i])),
    );
  }
}

/** The code of an error that may be thrown; throws every other error. */
export function refusal(error, OrthokitError, codes) {
  if (!(error instanceof OrthokitError) || !codes.includes(error.code)) throw error;
  return error.code;
}
