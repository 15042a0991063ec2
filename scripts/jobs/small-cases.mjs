// Cases for a processor that is emulated: each example of each operation, so every form, with sides that are small where
// there is much to compute. Which instructions run does not depend on how often.
// usage: node scripts/jobs/small-cases.mjs <orthokit_bench>: prints the lines of a file for its --cases
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const [bench] = process.argv.slice(2);
if (!bench) {
  console.error('usage: node scripts/jobs/small-cases.mjs <orthokit_bench>');
  process.exit(2);
}

/** Elements of all tensors of an example from which on it is made smaller. */
const many = 1 << 15;
const shapes = /\[[\dx]+\]/g;
const elements = (example) =>
  (example.match(shapes) ?? []).reduce(
    (sum, shape) => sum + shape.match(/\d+/g).reduce((product, side) => product * Number(side), 1),
    0,
  );
/** Sides over 40 become 33 to 40, with as much left beside vectors of eight. */
const smallSide = (side) => (side > 40 ? 33 + ((side - 1) % 8) : side);
const smaller = (example) =>
  elements(example) < many
    ? example
    : example.replaceAll(shapes, (shape) => shape.replaceAll(/\d+/g, (side) => `${smallSide(Number(side))}`));

function run(...args) {
  // Verifications of these are not for the table of a run.
  const env = { ...process.env, ORTHOKIT_TEST_REPORT: '' };
  return spawnSync(bench, args, { encoding: 'utf8', maxBuffer: 1 << 28, env }).stdout.trim();
}

const examples = JSON.parse(run('--describe')).flatMap((op) =>
  op.examples.map((example) => ({ op: op.name, example, small: smaller(example) })),
);
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
try {
  const file = path.join(folder, 'cases');
  writeFileSync(file, examples.map(({ op, small }) => `${op} ${small}\n`).join(''));
  // Some operations do not take the smaller sizes together.
  const lines = run('--verify', '--cases', file).split('\n');
  for (const [i, { op, example, small }] of examples.entries())
    console.log(`${op} ${JSON.parse(lines[i]).passed ? small : example}`);
} finally {
  rmSync(folder, { recursive: true });
}
