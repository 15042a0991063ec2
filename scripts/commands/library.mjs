import { existsSync } from 'node:fs';
import path from 'node:path';
import { root } from './version.mjs';

const folder = path.join(root, 'dist');

/** A module of the built package, by its name in dist/. */
export function library(name = 'index.js') {
  const file = path.join(folder, name);
  if (existsSync(file)) return import(file);
  const error = new Error('dist/ is missing, as this clone has not been built: bash scripts/run.sh build');
  throw Object.assign(error, { code: 'ERR_NO_BINARY' });
}
