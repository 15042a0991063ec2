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

/** A second reader, for files that are known to be right. */
export function plainRead(file: Uint8Array): { tensors: Map<string, PlainTensor>; metadata: Record<string, string> } {
  const view = Buffer.from(file);
  const length = Number(view.readBigUInt64LE(0));
  const { __metadata__: metadata = {}, ...entries } = JSON.parse(view.toString('utf8', 8, 8 + length));
  const tensors = new Map<string, PlainTensor>();
  for (const [name, entry] of Object.entries<Entry>(entries)) {
    const [begin, end] = entry.data_offsets;
    const bytes = view.subarray(8 + length + begin, 8 + length + end);
    tensors.set(name, { dtype: entry.dtype, shape: entry.shape, bytes });
  }
  return { tensors, metadata };
}
