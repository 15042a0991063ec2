// npm run example -- <folder>/<name>: builds what is missing and runs an example.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { need } from './need.mjs';

const examples = path.join(import.meta.dirname, '..', 'examples');
/** The others are parts of an example. */
const isRun = (file) => /^\/\/ usage: node examples\//m.test(readFileSync(path.join(examples, file), 'utf8'));
const [name, ...args] = process.argv.slice(2);
if (!name || !existsSync(path.join(examples, `${name}.mjs`))) {
  const all = readdirSync(examples, { recursive: true }).filter((file) => file.endsWith('.mjs') && isRun(file));
  console.error(`usage: npm run example -- ${all.map((file) => file.replace(/\.mjs$/, '')).join(' | ')}`);
  process.exit(2);
}
need('build');
process.exitCode =
  spawnSync(process.execPath, [path.join(examples, `${name}.mjs`), ...args], { stdio: 'inherit' }).status ?? 1;
