// Devices: cpu
// Axes: node
// Every block of TypeScript of README, guides and CONTRIBUTING runs on this version of Node.js: all in one process, as
// docs.test.ts runs each in its own.
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { blocks, folderOfBlocks, moduleOf, outputsOf, printedBy, printedOutputs } from './support/guides.ts';

const folder = folderOfBlocks();
afterAll(() => rmSync(folder, { recursive: true }));

it('runs, and prints what its comments say', { timeout: 120_000 }, () => {
  const all = blocks('ts');
  const lines = all.map((block, i) => {
    const script = moduleOf(folder, block);
    return `console.log('§${i}');\nawait import(${JSON.stringify(script)});\n`;
  });
  const script = path.join(folder, 'all.mjs');
  writeFileSync(script, lines.join(''));
  const parts = printedBy(script).split(/^§\d+\n/m);
  const found = all.map(([file, line], i) => [file, line, printedOutputs(parts[i + 1] ?? '')]);
  expect(found).toEqual(all.map(([file, line, code]) => [file, line, outputsOf(code)]));
});
