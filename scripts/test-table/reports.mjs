// The notes of runs of vitest (test/support/reporter.ts) and of orthokit_bench --verify (native/bench/verify_report.h).
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** @param {string} folder */
export function readReports(folder) {
  const names = readdirSync(folder).sort();
  const of = (kind) =>
    names
      .filter((name) => name.startsWith(`${kind}-`) && name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(path.join(folder, name), 'utf8')));
  return { tests: of('vitest'), verified: of('verify') };
}

/** Runs whose skipped tests nobody asked to leave out. */
export const wholeRuns = (tests) => tests.filter(({ filtered }) => !filtered);

/** The folder of a test file; files in test itself are one group. */
export const folderOf = (file) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : 'test');

/** Milliseconds of a file: of processor time where they were counted, as neighbours do not lengthen them. */
export const costOf = ({ ms, processorMs }) => processorMs ?? ms;
