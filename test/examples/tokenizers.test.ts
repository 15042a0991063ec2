// Devices: cpu
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Folder } from '../files/folder.ts';
import { byteLevelTokenizer, writeModel } from '../transplant/models.ts';

const root = path.join(import.meta.dirname, '..', '..');
const script = path.join(root, 'examples', 'tokenizers', 'compare.mjs');

it('says what a vocabulary lacks of a real one', () => {
  using folder = new Folder();
  const base = writeModel(folder.file('base'), { tokenizer: byteLevelTokenizer([' the', 'ing', '1']), embed: [[1]] });
  const donor = path.join(root, 'node_modules', '@lenml', 'tokenizer-llama2', 'models');
  const text = execFileSync(process.execPath, [script, base, donor], { encoding: 'utf8' });
  expect(text).toMatch(/^base: bpe, byte-level, 3 ids\ndonor: bpe, metaspace, 32000 ids\n/);
  // "1" is a token of its own, and a byte token too.
  expect(text).toMatch(/\nexact: 3\nbyte: 1\n/);
  expect(text).toMatch(/none: 31996\n/);
  expect(text).toMatch(/without counterpart, for example: ("[^\n]+" ?){20}/);
});

it('says how it is called', () => {
  const { status, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining('usage:') });
});
