// Shared by tests of checkpoints.
import { readFileSync } from 'node:fs';
import type { Tensor } from '../../lib/index.ts';
import { fileBytes } from '../files/bytes.ts';
import { type AnyOptimizer, bits, stateBits } from './classes.ts';

/** All that a load may change. */
export const everything = async (optimizer: AnyOptimizer, weights: Tensor[]): Promise<unknown> => [
  await stateBits(optimizer),
  await bits(weights),
  JSON.stringify(optimizer.part().groups.map(({ params: _, ...scalars }) => scalars)),
  optimizer.part().steps,
];

export interface Header {
  __metadata__: Record<string, string>;
  [name: string]: unknown;
}
/** The file with its header edited. */
export function edited(file: string, edit: (header: Header) => void): Buffer {
  const bytes = readFileSync(file);
  const end = 8 + Number(bytes.readBigUInt64LE());
  const header: Header = JSON.parse(bytes.toString('utf8', 8, end));
  edit(header);
  return fileBytes(JSON.stringify(header), bytes.subarray(end));
}

// biome-ignore lint/suspicious/noExplicitAny: a description is made what it must not be
export type Anything = any;

/** The header with the description of its parts changed. */
export function content(header: Header, change: (parts: Anything[]) => void): void {
  const parts = JSON.parse(header.__metadata__['content'] ?? '');
  change(parts);
  header.__metadata__['content'] = JSON.stringify(parts);
}
