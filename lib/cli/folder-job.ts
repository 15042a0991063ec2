// A command that makes a model folder: stopped in good order by a signal, with progress, and the flags in messages.
import { constants } from 'node:os';
import type { TaskOptions } from '../core/task.ts';
import { type Progress, progressOn } from './progress.ts';

/** An option that takes a text, and one that takes nothing. */
export const text = (value: string, help: string): { type: 'string'; value: string; help: string } => ({
  type: 'string',
  value,
  help,
});
export const flag = (help: string): { type: 'boolean'; help: string } => ({ type: 'boolean', help });

const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
/** Bytes as reports tell them. */
export function size(bytes: number): string {
  const unit = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${unit === 0 ? bytes : (bytes / 1000 ** unit).toPrecision(3)} ${units[unit]}`;
}
/** A number of a report, by three digits. */
export const rounded = (x: number): string => x.toPrecision(3);

/** Waits for the job, and prints its report. */
export async function runJob<R>(
  json: boolean,
  job: (watchers: TaskOptions<Progress>) => Promise<R>,
  asText: (report: R) => string,
  inFlags: (message: string) => string,
): Promise<number> {
  const stop = new AbortController();
  const interrupt = (signal: NodeJS.Signals): void => stop.abort(new Interrupted(signal));
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.once(signal, interrupt);
  const progress = json ? undefined : progressOn(process.stderr);
  try {
    const report = await job({ signal: stop.signal, onProgress: progress?.report });
    progress?.end();
    console.log(json ? JSON.stringify(report) : asText(report));
    return 0;
  } catch (error) {
    progress?.end();
    const known = error as Error;
    known.message = inFlags(known.message);
    throw known;
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}

/** The signal that stopped a run; the exit code is the shell's for it. */
class Interrupted extends Error {
  readonly code = 'ERR_INTERRUPTED';
  readonly exitCode: number;
  constructor(signal: NodeJS.Signals) {
    super(`stopped by ${signal}; the same command goes on from here`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** An option of the library by the name of a flag: `--pad-to-multiple` is `padToMultiple`. */
export const camel = (flag: string): string => flag.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** A message of the library with flags in place of its options, which `flag` spells. */
export function withFlags(
  message: string,
  op: string,
  flags: readonly string[],
  flag: (name: string) => string = (name) => `--${name}`,
): string {
  const nameOf = new Map(flags.map((name) => [camel(name), name]));
  const spelled = (name: string): string => flag(nameOf.get(name)!);
  const names = [...nameOf.keys()].join('|');
  // Words such as `select` are options only where the message begins, or calls them so.
  return (
    message
      .replace(
        new RegExp(`^(${op}: )(${names})(?=(\\[\\d+\\])? (must|could))`),
        (_, start: string, name: string) => start + spelled(name),
      )
      .replaceAll(new RegExp(`\\bthe option (${names})\\b`, 'g'), (_, name: string) => spelled(name))
      // Options that differ, in what the workspace says of an earlier run.
      .replace(/another run: .*/, (tail) =>
        tail.replaceAll(
          new RegExp(`(: |, )(${names})(?= )`, 'g'),
          (_, before: string, name: string) => before + spelled(name),
        ),
      )
  );
}
