// Fuzzing, and tests that need many runs. What must not be disturbed runs by itself.
import { step } from './step.mjs';

export const jobs = [
  { name: 'fuzzing', run: step('vitest test/fuzz') },
  { name: 'soak', cores: 'alone', run: step('vitest test/soak') },
];
