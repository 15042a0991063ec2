import { spawn } from 'node:child_process';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..', '..');

export interface Ended {
  /** The exit code, or null after a signal. */
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface ChildOptions {
  args?: readonly string[];
  env?: Record<string, string>;
  nodeArgs?: readonly string[];
  /** Sent when the child has printed a line. */
  signalWhenReady?: NodeJS.Signals;
}

/** Runs a program of test/lifecycle/children in a process of its own; one that hangs ends by SIGKILL. */
export function runChild(file: string, options: ChildOptions = {}): Promise<Ended> {
  const { args = [], env = {}, nodeArgs = [], signalWhenReady } = options;
  const script = path.resolve(root, 'test', 'lifecycle', 'children', file);
  const child = spawn(process.execPath, [...nodeArgs, script, ...args], { env: { ...process.env, ...env } });
  const ended: Ended = { status: null, signal: null, stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    ended.stdout += text;
    if (signalWhenReady && ended.stdout.includes('\n')) child.kill(signalWhenReady);
  });
  child.stderr.on('data', (text) => (ended.stderr += text));
  const hangs = setTimeout(() => child.kill('SIGKILL'), 60_000);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      clearTimeout(hangs);
      resolve({ ...ended, status, signal });
    });
  });
}
