// A run's processes until all have ended, and the signals that reach this command meanwhile.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { type MeetingEngine, meetingVariables, rankVariables } from '../distributed/internal.ts';
import { ranksBelow } from './ranks.ts';

export interface Ended {
  readonly code: number;
  /** A signal has asked for the end. */
  readonly asked: boolean;
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Calls `pass` for each signal as long as `work` lasts. */
async function withSignals<T>(pass: (signal: NodeJS.Signals) => void, work: Promise<T>): Promise<T> {
  for (const signal of signals) process.on(signal, pass);
  try {
    return await work;
  } finally {
    for (const signal of signals) process.off(signal, pass);
  }
}

const end = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  });

/**
 * Runs a program to its end. The first signal goes to the ranks, for launchers give them no time to save; further ones
 * to the launcher. A terminal sends its own signals to all.
 */
export async function ended(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  const child: ChildProcess = spawn(file, args, { stdio: 'inherit', env });
  let asked = false;
  const pass = (signal: NodeJS.Signals): void => {
    const ranks = asked || file === process.execPath ? [] : ranksBelow(child.pid!);
    asked = true;
    if (signal !== 'SIGTERM' && process.stdin.isTTY) return;
    if (ranks.length === 0) child.kill(signal);
    for (const rank of ranks) {
      try {
        process.kill(rank, signal);
      } catch {
        // It has ended.
      }
    }
  };
  return { code: await withSignals(pass, end(child)), asked };
}

/** Milliseconds that the others have to say so and to end once a rank has failed, and then to end at a signal. */
const [patience, mercy] = [3000, 3000];

/**
 * Runs as many processes of this Node.js as there are ranks, which meet in a folder of their own, to the end of
 * all. Where one fails, the others are ended too, unless they are left to end by themselves.
 *
 * @returns the exit code of the first that has failed, or 0
 */
export async function endedRanks(
  engine: MeetingEngine,
  ranks: number,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { leaves }: { readonly leaves: boolean },
): Promise<Ended> {
  const folder = mkdtempSync(path.join(tmpdir(), `orthokit-${engine}-`));
  const children: ChildProcess[] = [];
  const kill = (signal: NodeJS.Signals): void => {
    for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  };
  let asked = false;
  const pass = (signal: NodeJS.Signals): void => {
    asked = true;
    if (signal === 'SIGTERM' || !process.stdin.isTTY) kill(signal);
  };
  const timers: NodeJS.Timeout[] = [];
  let code = 0;
  let isOver = false;
  const note = (own: number): void => {
    if (own === 0 || code !== 0) return;
    code = own;
    if (leaves || isOver) return;
    timers.push(setTimeout(kill, patience, 'SIGTERM'), setTimeout(kill, patience + mercy, 'SIGKILL'));
  };
  try {
    const all = async (): Promise<void> => {
      const ends: Promise<void>[] = [];
      for (let rank = 0; rank < ranks; ++rank) {
        const child = spawn(process.execPath, args, {
          stdio: [rank === 0 ? 'inherit' : 'ignore', 'inherit', 'inherit'],
          env: {
            [meetingVariables[engine].host]: '127.0.0.1',
            ...env,
            [meetingVariables[engine].store]: folder,
            [rankVariables.rank]: String(rank),
            [rankVariables.ranks]: String(ranks),
            [rankVariables.localRank]: String(rank),
          },
        });
        children.push(child);
        ends.push(end(child).then(note));
      }
      await Promise.all(ends);
    };
    await withSignals(pass, all());
    return { code, asked };
  } finally {
    isOver = true;
    for (const timer of timers) clearTimeout(timer);
    kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}
