// A function that makes a model folder, in a process of its own that is killed.
import { spawn } from 'node:child_process';
import path from 'node:path';

const familyOf = { transplant: 'transplant', mergeModels: 'merging', compressModel: 'quantized' } as const;

export interface Kill {
  /** Milliseconds after the beginning. */
  delay?: number;
  /** The report of progress at which the process waits until it is killed. */
  report?: number;
}

/** The cost of a run that has ended, in milliseconds and reports of progress; nothing of one that was killed. */
export type Ended = { ms: number; reports: number } | undefined;

/**
 * Milliseconds of one of five saves. Kills at times that are drawn within a little more than that hit any moment of a save,
 * whatever the disk.
 */
export async function timeOf(save: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  for (let i = 0; i < 5; i++) await save();
  return (performance.now() - begin) / 5;
}

/** Calls a function of a family, of the same name or not, in a process that is killed. */
export function killed(
  name: keyof typeof familyOf,
  options: object,
  { delay, report = Number.POSITIVE_INFINITY }: Kill = {},
): Promise<Ended> {
  const library = path.join(import.meta.dirname, '..', '..', 'dist', familyOf[name], 'index.js');
  const script = `import { writeSync } from 'node:fs';
    import { ${name} } from ${JSON.stringify(library)};
    let reports = 0;
    const onProgress = () => {
      writeSync(1, 'p');
      if (++reports > ${report === Number.POSITIVE_INFINITY ? 'Infinity' : report})
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    };
    writeSync(1, 'begins');
    await ${name}({ ...${JSON.stringify(options)}, onProgress });`;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let begin = 0;
    let reports = 0;
    child.stdout.on('data', (data: Buffer) => {
      if (begin === 0) {
        begin = performance.now();
        if (delay !== undefined) setTimeout(() => child.kill('SIGKILL'), delay);
      }
      reports += data.toString().replace('begins', '').length;
      if (reports > report) child.kill('SIGKILL');
    });
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (signal === 'SIGKILL') resolve(undefined);
      else if (status === 0) resolve({ ms: performance.now() - begin, reports });
      else reject(new Error(`the child ended with ${status ?? signal}`));
    });
  });
}
