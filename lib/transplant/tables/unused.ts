import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Tokenizer } from '../../tokenizers/index.ts';
import type { Scan } from './scan.ts';
import type { Table } from './table.ts';

/** Contents of rows that no token needs. */
export async function unusedRowsOf(
  task: Task,
  table: Table,
  { norms, sum }: Scan,
  { tokens }: Tokenizer,
  policy: 'zero' | 'mean' | 'copy',
): Promise<(row: number) => Promise<Uint8Array>> {
  const zeros = new Uint8Array(table.rowBytes);
  if (policy === 'zero') return async () => zeros;
  if (policy === 'mean') {
    const count = norms.filter(Number.isFinite).length;
    const mean = Float32Array.from(sum, (total) => (count === 0 ? 0 : total / count));
    using exact = Tensor.from(task.device, mean, [table.columns]);
    using stored = exact.cast(table.dtype);
    const [bits] = await task.readAll(stored);
    const bytes = new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength);
    return async () => bytes;
  }
  const spare: number[] = [];
  for (let id = 0; id < table.rows; ++id) if (tokens[id] === undefined && Number.isFinite(norms[id]!)) spare.push(id);
  return async (row) => {
    const id = spare[row % Math.max(1, spare.length)];
    return id === undefined ? zeros : table.read(Int32Array.of(id));
  };
}
