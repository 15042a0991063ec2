import path from 'node:path';
import { defineConfig } from 'vitest/config';

// Examples import the package by its name; tests run them on the sources.
export default defineConfig({
  resolve: { alias: { orthokit: path.join(import.meta.dirname, 'lib', 'index.ts') } },
});
