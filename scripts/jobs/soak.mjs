// Fuzzing, and tests that need many runs. What must not be disturbed runs by itself.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { step } from './step.mjs';

/** Files that judge times. */
const undisturbed = ['abort', 'event-loop', 'machine', 'processes'].map((name) => `${name}.test.ts`);
const soak = readdirSync(path.join(import.meta.dirname, '..', '..', 'test', 'soak')).filter((name) =>
  name.endsWith('.test.ts'),
);
const rest = soak.filter((name) => !undisturbed.includes(name));
const run = (names) => step(`vitest ${names.map((name) => `test/soak/${name}`).join(' ')}`);

export const jobs = [
  { name: 'fuzzing', run: step('vitest test/fuzz') },
  { name: 'soak: memory, workers', run: run(rest) },
  { name: 'soak: times', cores: 'alone', run: run(undisturbed) },
];
