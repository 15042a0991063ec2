import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

const root = path.join(import.meta.dirname, '..', '..');

/** The report of a run of a fuzz target. */
export interface Found {
  /** Number of inputs that ended in each way. */
  outcomes: Record<string, number>;
  /** Bytes by which the process grew. */
  growth: number;
  /** Indices of the points of the instrumented library that an input got to. */
  reached: number[];
}

/**
 * Runs a program of test/fuzz/children in a process of its own, so that a crash is a failure like every other. One that
 * hangs is ended after `limit` milliseconds.
 */
export async function runTarget(
  program: string,
  args: readonly string[],
  limit: number,
  more: Record<string, string> = {},
): Promise<string> {
  const script = path.join(import.meta.dirname, 'children', program);
  const env = { ...process.env, ORTHOKIT_PREBUILD: root, ...more };
  const options = { env, timeout: limit, killSignal: 'SIGKILL', maxBuffer: 1 << 26 } as const;
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script, ...args], options);
    return stdout;
  } catch (error) {
    const { signal, code, stderr } = error as { signal?: string; code?: number; stderr?: string };
    throw new Error(`${program} ended with ${signal ?? code}: ${stderr?.slice(0, 8000)}`);
  }
}
