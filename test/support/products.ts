// The number of matrix products of a test file that cuBLAS did, for the reporter: in a run of the axis `products`.
import { afterAll } from 'vitest';
import { runAxis, runDevice } from './selection.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** Calls of cuBLAS in a file that declares products; its module has them. */
    products?: number;
  }
}

if (runAxis() === 'products' && runDevice() === 'cuda') {
  const { emulator } = await import('./emulator.ts');
  const functions = ['cublasGemmEx', 'cublasGemmStridedBatchedEx'];
  const calls = () => functions.map((name) => emulator.control(`calls?${name}`)).reduce((a, b) => a + b);
  const before = calls(); // of files that share the process
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants a pattern that names the fixtures, and there are none
  afterAll(({}, suite) => {
    suite.file.meta.products = calls() - before;
  });
}
