// Devices: cpu
// Files of lib/nn are small (CONTRIBUTING.md, Names, comments, sizes).
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const most = 150;
const folder = path.join(import.meta.dirname, '..', '..', 'lib', 'nn');
const lines = (text: string): number => text.trimEnd().split('\n').length;

it('no file of lib/nn has more than 150 lines, comments included', () => {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const sizes = files.map((file) => [file, lines(readFileSync(path.join(folder, file), 'utf8'))] as const);
  expect(sizes.length).toBeGreaterThan(50);
  expect(Math.max(...sizes.map(([, size]) => size))).toBeGreaterThan(100);
  expect(sizes.filter(([, size]) => size > most)).toEqual([]);
});
