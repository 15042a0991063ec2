// Processor time of each test file, its threads and ended children included, for the reporter. Linux counts it.
import { existsSync, readFileSync } from 'node:fs';
import { afterAll } from 'vitest';

declare module 'vitest' {
  interface TaskMeta {
    /** Milliseconds of processor time from the import of a file to its end; its module has them. */
    processor?: number;
  }
}

const stat = '/proc/self/stat';
const msPerTick = 10; // USER_HZ is 100 on every architecture that Node.js runs on

function processorTime(): number {
  // utime, stime, cutime and cstime stand behind the command, which is in parentheses and may hold anything.
  const fields = readFileSync(stat, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * msPerTick;
}

if (existsSync(stat)) {
  const start = processorTime();
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants a pattern that names the fixtures, and there are none
  afterAll(({}, suite) => {
    suite.file.meta.processor = processorTime() - start;
  });
}
