import { readFileSync } from 'node:fs';
import path from 'node:path';

/** The folder of the package. */
export const root: string = path.join(import.meta.dirname, '..', '..');

export const version: string = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).version;
