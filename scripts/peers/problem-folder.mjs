// Problems of an experiment in a folder, as arrays in files, for a program of Python that tells of each in a line of JSON.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { plainEnvironment } from './turns.mjs';

/**
 * Writes the lines, as a list, to a file.
 *
 * @param {string} script beside this one
 * @param {readonly { x: Float64Array, labels: Int32Array, [key: string]: unknown }[]} problems
 * @param {string} file
 */
export function askPython(script, problems, file) {
  const folder = mkdtempSync(path.join(tmpdir(), 'problems-'));
  try {
    const list = problems.map(({ x, labels, ...rest }, i) => {
      writeFileSync(path.join(folder, `${i}.f64`), x);
      writeFileSync(path.join(folder, `${i}.i32`), labels);
      return { ...rest, rows: `${i}.f64`, labels: `${i}.i32` };
    });
    writeFileSync(path.join(folder, 'problems.json'), JSON.stringify(list));
    const env = { ...plainEnvironment, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' };
    const lines = execFileSync('python3', [path.join(import.meta.dirname, script), folder], { encoding: 'utf8', env });
    writeFileSync(file, `[\n  ${lines.trim().split('\n').join(',\n  ')}\n]\n`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
