// The CUDA emulator's control, where ORTHOKIT_CUDA_PLUGIN names an emulated or checked plug-in.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

export interface Emulator {
  /**
   * A command (`'fail=cudaMallocAsync:3:2'`, `'streams=deferred'`, `'clear'`) or a question (`'findings?'`,
   * `'allocations?'`, `'calls?cudaLaunchKernelEx'`); test/cuda-emulator/src/control.h lists them.
   */
  control(command: string): number;
  /** The latest finding in words, empty if there is none. */
  lastFinding(): string;
}

function load(): Emulator | undefined {
  const plugin = process.env.ORTHOKIT_CUDA_PLUGIN;
  if (!plugin) return undefined;
  const addon = path.join(path.dirname(path.resolve(plugin)), 'emulator_control.node');
  return existsSync(addon) ? createRequire(import.meta.url)(addon) : undefined;
}

export const emulator: Emulator | undefined = load();
