import path from 'node:path';
import { defineConfig } from 'vitest/config';

// Examples import the package by its name; tests run them on the sources.
export default defineConfig({
  // A machine may be busy with other things: a limit is there to end what hangs.
  test: { testTimeout: 60_000, hookTimeout: 60_000 },
  resolve: { alias: { orthokit: path.join(import.meta.dirname, 'lib', 'index.ts') } },
});
