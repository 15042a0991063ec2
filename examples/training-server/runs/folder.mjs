import { readdir } from 'node:fs/promises';
import path from 'node:path';

/** The folder of a server that is told no other. */
export const standardFolder = path.join(import.meta.dirname, '..', '..', '..', 'build', 'training-server');

const idPattern = /^[0-9a-z]{8,10}-[0-9a-f]{8}$/;

/** The folders in `runs/`: those of runs, in the order in which they were made, and others. @param {string} root */
export async function foldersOf(root) {
  const names = (await readdir(path.join(root, 'runs'))).sort();
  return { runs: names.filter((name) => idPattern.test(name)), others: names.filter((name) => !idPattern.test(name)) };
}
