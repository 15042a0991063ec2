// Files that NumPy has written, and what is in them: test/golden/numpy.json.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll } from 'vitest';
import { Folder } from '../files/folder.ts';

interface Golden {
  readonly files: Record<string, string>;
  /** The elements row after row, little-endian. */
  readonly arrays: Record<string, { descr: string; shape: number[]; fortranOrder: boolean; bits: string }>;
}
const golden: Golden = JSON.parse(readFileSync(path.join(import.meta.dirname, '..', 'golden', 'numpy.json'), 'utf8'));
const folder = new Folder();
afterAll(() => folder[Symbol.dispose]());

export const { arrays } = golden;
export const bytesOf = (name: string): Buffer => Buffer.from(golden.files[name]!, 'base64');
for (const name of Object.keys(golden.files)) writeFileSync(folder.file(name), bytesOf(name));
export const file = (name: string): string => folder.file(name);
