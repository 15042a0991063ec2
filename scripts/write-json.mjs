// A file of JSON as the formatter has it.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';

const biome = path.join(import.meta.dirname, '..', 'node_modules', '@biomejs', 'biome', 'bin', 'biome');

export function writeJson(file, value) {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
  spawnSync(process.execPath, [biome, 'format', '--write', file], { stdio: 'ignore' });
}
