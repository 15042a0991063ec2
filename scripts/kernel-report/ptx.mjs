// The kernels in PTX that the interpreter is to run, and the threads of their blocks.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { readableNames } from './names.mjs';

/** Map name → the most threads of a block. */
export function interpretedKernels(folder, architecture) {
  const files = readFileSync(path.join(folder, `kernels-sm_${architecture}.txt`), 'utf8')
    .trim()
    .split('\n');
  const entries = files.flatMap((file) =>
    [
      ...readFileSync(file, 'utf8').matchAll(/^(?:\.\w+ )*\.entry (\S+?)\([^{]*?\)\n\.maxntid (\d+), (\d+), (\d+)/gm),
    ].map(([, symbol, ...sides]) => ({ symbol, threads: sides.reduce((all, side) => all * Number(side), 1) })),
  );
  const names = readableNames(entries.map(({ symbol }) => symbol));
  return new Map(entries.map(({ threads }, i) => [names[i], threads]));
}
