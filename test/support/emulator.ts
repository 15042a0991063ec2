// The CUDA emulator's control, for files that declare `// Devices: emulator`.
import { createRequire } from 'node:module';
import { controlAddon } from './selection.ts';

export interface Emulator {
  /**
   * A command (`'fail=cudaMallocAsync:3:2'`, `'streams=deferred'`, `'clear'`) or a question (`'findings?'`,
   * `'allocations?'`, `'calls?cudaLaunchKernelEx'`); test/cuda-emulator/src/control.h lists them.
   */
  control(command: string): number;
  /** The latest finding in words, empty if there is none. */
  lastFinding(): string;
}

export const emulator: Emulator = createRequire(import.meta.url)(controlAddon());
