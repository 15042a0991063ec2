// usage: node scripts/jobs.mjs <list> [job…]: runs the jobs of scripts/jobs/<list>.mjs, or some with what they need, over
// all cores (scripts/jobs/queue.mjs); prints each as it ends, then a table, and leaves build/jobs/<list>/results.txt
// (scripts/jobs/summary.mjs). Exit 1 if one fails.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runJobs, selectJobs } from './jobs/queue.mjs';
import { lineOf, summaryOf, time } from './jobs/summary.mjs';

const [list, ...names] = process.argv.slice(2);
const root = path.join(import.meta.dirname, '..');
const file = path.join(import.meta.dirname, 'jobs', `${list}.mjs`);
if (list === undefined || list === 'queue' || !existsSync(file)) {
  console.error('usage: node scripts/jobs.mjs <list of scripts/jobs> [job…]');
  process.exit(2);
}
process.chdir(root);
const { jobs } = await import(file);

let wanted = jobs;
try {
  if (names.length > 0) wanted = selectJobs(jobs, names);
} catch (error) {
  console.error(error.message);
  process.exit(2);
}

const begin = performance.now();
const folder = path.join('build', 'jobs', list);
const results = await runJobs(wanted, {
  folder,
  onEnd: (result) => {
    if (result.log) {
      const lines = readFileSync(result.log, 'utf8').trimEnd().split('\n');
      console.log((result.passed ? lines.slice(-(result.job.lines ?? 4)) : lines).join('\n'));
    }
    console.log(lineOf(result));
  },
});

const cpu = results.reduce((sum, result) => sum + (result.cpu || 0), 0);
const failed = results.filter((result) => !result.passed);
console.log(`\n${results.map(lineOf).join('\n')}`);
console.log(`=== ${list}: ${time((performance.now() - begin) / 1000)}, ${time(cpu)} of processor time`);
console.log(`${results.length - failed.length} passed, ${failed.length} failed`);
writeFileSync(path.join(folder, 'results.txt'), `${summaryOf(results).join('\n')}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
