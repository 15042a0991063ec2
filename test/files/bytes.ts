// Safetensors files put together from the definition of the format, right or wrong.

/** The length, the header as given, the data. */
export function fileBytes(header: string | Uint8Array, data: Uint8Array | number = 0, length?: bigint): Buffer {
  const text = typeof header === 'string' ? Buffer.from(header) : Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([prefix, text, typeof data === 'number' ? Buffer.alloc(data) : data]);
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

export interface PlainTensor {
  dtype: string;
  shape: number[];
  bytes: Buffer;
}

/**
 * The members of an object in JSON text, those named "__proto__" too. JSON.parse of Node.js 24.21 may take a key with an
 * escape for a key of an object that it parsed before (`"\u0000"` for `"\\"`), so each is put in as hexadecimal digits.
 */
function members(json: string): Map<string, unknown> {
  const plainKeys = json.replaceAll(/("(?:[^"\\]|\\.)*")(\s*:)?/gs, (text, key, colon) =>
    colon ? `"${Buffer.from(key).toString('hex')}":` : text,
  );
  const named = (value: unknown): unknown => {
    if (Array.isArray(value) || typeof value !== 'object' || value === null) return value;
    const name = (key: string): string => JSON.parse(Buffer.from(key, 'hex').toString());
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [name(key), named(member)]));
  };
  return new Map(Object.entries(named(JSON.parse(plainKeys)) as object));
}

/** A second reader, for files that are known to be right. */
export function plainRead(file: Uint8Array): { tensors: Map<string, PlainTensor>; metadata: Record<string, string> } {
  const view = Buffer.from(file);
  const length = Number(view.readBigUInt64LE(0));
  const header = members(view.toString('utf8', 8, 8 + length));
  const metadata = (header.get('__metadata__') ?? {}) as Record<string, string>;
  header.delete('__metadata__');
  const tensors = new Map<string, PlainTensor>();
  for (const [name, entry] of header as Map<string, Entry>) {
    const [begin, end] = entry.data_offsets;
    const bytes = view.subarray(8 + length + begin, 8 + length + end);
    tensors.set(name, { dtype: entry.dtype, shape: entry.shape, bytes });
  }
  return { tensors, metadata };
}
