import path from 'node:path';
import { defineConfig } from 'vitest/config';

const limit = process.env.ORTHOKIT_TORTURE === '1' ? 2 * 60 * 60_000 : 60_000;

// Examples import the package by its name; tests run them on the sources.
export default defineConfig({
  // A machine may be busy with other things: a limit is there to end what hangs.
  test: { testTimeout: limit, hookTimeout: 60_000 },
  resolve: { alias: { orthokit: path.join(import.meta.dirname, 'lib', 'index.ts') } },
});
