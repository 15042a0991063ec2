// Fuzzing that is led by coverage: what reaches a branch for the first time, or more often than before, is kept and
// changed further.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Random } from '../../support/random.mjs';

const hangMilliseconds = 1000;

/** The counters of the instrumented library, which must be imported after this. */
export const hits = new Uint8Array(1 << 12);
globalThis.hits = hits;

// As in AFL: a loop that ran 5 times is no news after one that ran 4 times.
const bucket = Uint8Array.from(
  { length: 256 },
  (_, n) => [0, 1, 2, 4, 8, 16, 32, 64, 128][Math.ceil(Math.log2(n + 1))],
);

/**
 * Runs the corpus, then `executions` inputs that a seed makes of it. `run(input)` answers in a word what became of an
 * input, and throws for what must not happen. With `long`, the inputs of `large` too, which are too long for a corpus.
 * With `keep`, inputs that reached a branch first are written to that folder. More than `growthLimit` bytes above the
 * start, at any time, is an error.
 */
export async function explore(options) {
  const { seed, executions, growthLimit, corpus, long = false, large, keep, mutate, run } = options;
  const random = new Random(seed);
  const seen = new Uint8Array(hits.length);
  const reached = Uint8Array.from(hits, Number); // by the import
  const outcomes = {};
  const found = [];
  const pool = readdirSync(corpus)
    .sort()
    .map((name) => readFileSync(path.join(corpus, name)));
  let execution = -pool.length;

  const shown = (input) => `input of ${input.length} bytes, in base64: ${input.toString('base64').slice(0, 3000)}`;

  async function execute(input) {
    hits.fill(0);
    const start = process.hrtime.bigint();
    const cpu = process.cpuUsage();
    let outcome;
    try {
      outcome = await run(input);
    } catch (error) {
      throw new Error(`execution ${execution}: ${error.stack}\n${shown(input)}`);
    }
    // A process that waits for its turn does not hang. What is long has leave to take long: it gives control back.
    if (input.length < 1 << 17 && process.hrtime.bigint() - start > BigInt(hangMilliseconds) * 1_000_000n) {
      const { user, system } = process.cpuUsage(cpu);
      if (user + system > hangMilliseconds * 1000)
        throw new Error(`execution ${execution} took ${(user + system) / 1000} ms\n${shown(input)}`);
    }
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    let news = false;
    let first = false;
    for (let i = 0; i < hits.length; i += 1) {
      const mark = bucket[hits[i]];
      if (mark === 0) continue;
      if (reached[i] === 0) first = true;
      reached[i] = 1;
      if ((seen[i] | mark) !== seen[i]) news = true;
      seen[i] |= mark;
    }
    return { news, first };
  }

  for (const input of [...pool]) {
    await execute(input);
    execution += 1;
  }
  if (long) for (const make of large) await execute(make());
  execution = 0;
  globalThis.gc();
  const startBytes = process.memoryUsage.rss();
  let growth = 0;
  for (; execution < executions; execution += 1) {
    const input = mutate(random, pool);
    const { news, first } = await execute(input);
    if (news) pool.push(input);
    if (first) found.push(input);
    // The peak, which also tells of memory that an input took and gave back.
    growth = process.resourceUsage().maxRSS * 1024 - startBytes;
    if (growth > growthLimit) throw new Error(`execution ${execution}: ${growth} bytes of growth\n${shown(input)}`);
  }
  if (keep) {
    for (const input of found) {
      const name = createHash('sha256').update(input).digest('hex').slice(0, 12);
      writeFileSync(path.join(keep, name), input);
    }
  }
  return { outcomes, growth, reached: [...reached.keys()].filter((point) => reached[point] > 0) };
}
