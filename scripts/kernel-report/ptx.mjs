// The kernels in PTX that the interpreter is to run, the threads of their blocks, and which wait for the whole grid.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { readableNames } from './names.mjs';

/**
 * Map name → the most threads of a block, and whether blocks wait for each other: only a grid barrier asks for the
 * registers of the environment.
 */
export function interpretedKernels(folder, architecture) {
  const files = readFileSync(path.join(folder, `kernels-sm_${architecture}.txt`), 'utf8')
    .trim()
    .split('\n');
  const entries = files.flatMap((file) =>
    [
      ...readFileSync(file, 'utf8').matchAll(
        /^(?:\.\w+ )*\.entry (\S+?)\([^{]*?\)\n\.maxntid (\d+), (\d+), (\d+)[^{]*\{(.*?)^\}/gms,
      ),
    ].map(([, symbol, x, y, z, body]) => ({
      symbol,
      threads: Number(x) * Number(y) * Number(z),
      waits: body.includes('%envreg'),
    })),
  );
  const names = readableNames(entries.map(({ symbol }) => symbol));
  return new Map(entries.map(({ threads, waits }, i) => [names[i], { threads, waits }]));
}

/** The form of a kernel that does the same without a grid barrier: the one that is interpreted. */
export const withoutBarrier = (name) => name.replace('<true', '<false');
