// A peer that answers while this process runs: a script of Python, a line for each line that it is sent, so that both take
// turns within milliseconds and work on the same numbers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { here, plainEnvironment, python } from './turns.mjs';

/**
 * Starts a script of this folder on so many threads, without the settings of OpenBLAS that are for this process.
 * `ask(request)` sends a line, JSON unless it is a string, and gives the JSON that comes; `answer()` gives what comes unasked.
 */
export function startPeer(file, words = [], threads = 1) {
  const child = spawn(python, [here(file), ...words.map(String)], {
    env: { ...plainEnvironment, OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${file} has ended`);
    return JSON.parse(value);
  };
  return {
    answer,
    ask(request) {
      child.stdin.write(`${typeof request === 'string' ? request : JSON.stringify(request)}\n`);
      return answer();
    },
    async end() {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
}

/** Milliseconds: of the processor on one thread, which neighbours do not lengthen, else of the clock. */
export const clockOf =
  (threads = 1) =>
  () => {
    const { user, system } = process.cpuUsage();
    return threads === 1 ? (user + system) / 1e3 : performance.now();
  };

export const least = (values) => Math.min(...values);
