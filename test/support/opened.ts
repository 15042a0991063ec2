import { expect } from 'vitest';
import { runChild } from './child.ts';

/** A process's words on its devices. */
export interface Opened {
  available: string[];
  unavailable: { cpu: string | null; cuda: string | null };
  info: { cpu?: { isa: string; units: number } };
  errors: Record<string, { code: string; message: string }>;
}

/** Opens each device in a process with these variables. */
export async function open(env: Record<string, string>, args: string[] = []): Promise<Opened> {
  const { stdout, ...ended } = await runChild('open.mjs', { env, args });
  expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout);
}
