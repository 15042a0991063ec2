// `--quick` of an experiment takes 10 seconds of the processor at most, measured as the budgets of tests are.
import { expect, vi } from 'vitest';
import { allowance } from '../support/processor.ts';

const mostSeconds = 10 * allowance();

/** Result of a tiny run, which all that `--quick` makes of the experiment consists of. */
export async function quickly<T>(run: () => Promise<T>): Promise<T> {
  const before = process.cpuUsage();
  const result = await run();
  expectQuick(process.cpuUsage(before));
  return result;
}

export function expectQuick({ user, system }: NodeJS.CpuUsage): void {
  expect((user + system) / 1e6, 'seconds of the processor').toBeLessThan(mostSeconds);
}

/** All that `--quick` of an experiment shows, made in this process. */
export async function shownQuickly(experiment: { quick(): Promise<void> }): Promise<string> {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  try {
    await quickly(() => experiment.quick());
    return log.mock.calls.flat().join('\n');
  } finally {
    log.mockRestore();
  }
}

/** Words of Node.js with which a process prints what it used of the processor, last on stderr. */
export const tellsUsage: readonly string[] = [
  '--import',
  `data:text/javascript,${encodeURIComponent("process.on('exit', () => process.stderr.write(JSON.stringify(process.cpuUsage())))")}`,
];
