// Processor time of each test file, its threads and ended children included, for the reporter. Linux counts it.
import { afterAll } from 'vitest';
import { countsChildren, processorTime } from './processor.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** Milliseconds of processor time from the import of a file to its end; its module has them. */
    processor?: number;
  }
}

if (countsChildren) {
  const start = processorTime();
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants a pattern that names the fixtures, and there are none
  afterAll(({}, suite) => {
    suite.file.meta.processor = processorTime() - start;
  });
}
