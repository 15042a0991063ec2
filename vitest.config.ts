import path from 'node:path';
import { defineConfig } from 'vitest/config';

const limit = process.env.ORTHOKIT_DEEP === '1' ? 2 * 60 * 60_000 : 60_000;

// Tests of a reliability goal have its name as a tag (docs/design/reliability.md).
const goals = Array.from({ length: 26 }, (_, i) => ({ name: `R${i + 1}` }));

// Examples import the package by its name; tests run them on the sources.
export default defineConfig({
  // A machine may be busy with other things: a limit is there to end what hangs.
  test: { testTimeout: limit, hookTimeout: 60_000, tags: goals },
  resolve: { alias: { orthokit: path.join(import.meta.dirname, 'lib', 'index.ts') } },
});
