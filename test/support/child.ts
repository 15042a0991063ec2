import { type ChildProcess, spawn } from 'node:child_process';
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
  /** Hears of each line that the child prints. */
  onLine?: (line: string, child: ChildProcess) => void;
  /** Milliseconds until a child counts as one that hangs. Default: a minute. */
  limit?: number;
  /** A folder for the core of a child that crashes, however large. Default: as the shell that runs the tests has it. */
  cores?: string;
}

/** Runs a program of test/lifecycle/children in a process of its own; one that hangs ends by SIGKILL. */
export function runChild(file: string, options: ChildOptions = {}): Promise<Ended> {
  const { args = [], env = {}, nodeArgs = [], onLine, limit = 60_000, cores } = options;
  const script = path.resolve(root, 'test', 'lifecycle', 'children', file);
  const words = [process.execPath, ...nodeArgs, script, ...args];
  const [command, ...rest] = cores ? ['bash', '-c', 'ulimit -c unlimited; exec "$@"', 'bash', ...words] : words;
  const child = spawn(command!, rest, { env: { ...process.env, ...env }, cwd: cores });
  const ended: Ended = { status: null, signal: null, stdout: '', stderr: '' };
  let lines = 0;
  child.stdout.on('data', (text) => {
    ended.stdout += text;
    const whole = ended.stdout.split('\n').slice(0, -1);
    for (; lines < whole.length; lines++) onLine?.(whole[lines] as string, child);
  });
  child.stderr.on('data', (text) => (ended.stderr += text));
  const hangs = setTimeout(() => child.kill('SIGKILL'), limit);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      clearTimeout(hangs);
      resolve({ ...ended, status, signal });
    });
  });
}
