// Runs jobs over all cores: what a job needs comes first, a job may take more than one core, one that must not be disturbed
// takes them all, and one that has the addon of the tests out of its place runs beside none that uses it. The output of each
// goes to a file, and is shown whole where the job fails.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/**
 * @typedef {object} Job
 * @property {string} name
 * @property {string} run a command for bash
 * @property {string[]} [needs] names of jobs that must have passed
 * @property {number | 'alone'} [cores] how many it keeps busy; default 1
 * @property {'used' | 'unused' | 'replaced'} [addon] what it does with the addon in build/Release; default 'used'
 */

/** @param {Job[]} jobs in the order in which they are to begin where nothing else decides */
export function checkJobs(jobs) {
  const seen = new Set();
  for (const { name, needs = [] } of jobs) {
    if (seen.has(name)) throw new Error(`two jobs are named ${name}`);
    const missing = needs.find((need) => !seen.has(need));
    if (missing !== undefined) throw new Error(`${name} needs ${missing}, which does not stand before it`);
    seen.add(name);
  }
}

/** The jobs of these names, and those that they need, in order. */
export function selectJobs(jobs, names) {
  const unknown = names.filter((name) => !jobs.some((job) => job.name === name));
  if (unknown.length > 0)
    throw new Error(`no job ${unknown.join(', ')}; there are ${jobs.map((job) => job.name).join(', ')}`);
  const wanted = new Set(names);
  for (const { name, needs = [] } of jobs.toReversed())
    if (wanted.has(name)) for (const need of needs) wanted.add(need);
  return jobs.filter((job) => wanted.has(job.name));
}

/** Runs one job; gives its result with seconds on the clock and of processor time. */
function start(job, folder) {
  const begin = performance.now();
  const log = path.join(folder, `${job.name.replaceAll(/[^\w.-]+/g, '-')}.log`);
  // bash's times: the second line is what the children took.
  const script = `trap 'times > ${JSON.stringify(`${log}.times`)}' EXIT\n${job.run}`;
  const out = createWriteStream(log);
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    running.add(child);
    child.stdout.pipe(out, { end: false });
    child.stderr.pipe(out, { end: false });
    child.on('error', (error) => out.write(`${error.message}\n`));
    child.on('close', (status, signal) => {
      running.delete(child);
      out.end(() => {
        const seconds = (performance.now() - begin) / 1000;
        resolve({
          job,
          passed: status === 0,
          status: status ?? signal,
          seconds,
          cpu: processorTime(`${log}.times`),
          log,
        });
      });
    });
  });
}

function processorTime(file) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return Number.NaN; // killed before it could say
  }
  const words = text.trim().split('\n')[1]?.split(' ') ?? [];
  return words.reduce((sum, word) => {
    const [, minutes, seconds] = /^(\d+)m([\d.]+)s$/.exec(word) ?? [];
    return sum + 60 * Number(minutes) + Number(seconds);
  }, 0);
}

const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    for (const { pid } of running) {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
    process.exit(130);
  });

/**
 * Runs the jobs; gives their results in the order in which they ended. Jobs whose needs have failed are not run, and are
 * told as failed.
 *
 * @param {Job[]} jobs
 * @param {{ folder: string, cores?: number, onEnd?: (result: object) => void }} options
 */
export async function runJobs(jobs, { folder, cores = os.availableParallelism(), onEnd = () => {} }) {
  checkJobs(jobs);
  mkdirSync(folder, { recursive: true });
  const waiting = [...jobs];
  const results = new Map();
  const active = new Map();
  let free = cores;
  const take = (job) => (job.cores === 'alone' ? cores : Math.min(job.cores ?? 1, cores));
  const goTogether = ({ addon: one = 'used' }, { addon: other = 'used' }) =>
    one === 'unused' || other === 'unused' || (one === 'used' && other === 'used');
  const fits = (job) => take(job) <= free && [...active.keys()].every((other) => goTogether(job, other));
  const end = (result) => {
    results.set(result.job.name, result);
    onEnd(result);
  };

  while (waiting.length > 0 || active.size > 0) {
    for (let i = 0; i < waiting.length; ) {
      const job = waiting[i];
      const needs = (job.needs ?? []).map((name) => results.get(name));
      const lacking = needs.find((need) => need !== undefined && !need.passed);
      if (lacking) {
        waiting.splice(i, 1);
        end({ job, passed: false, status: `not run, as ${lacking.job.name} failed`, seconds: 0, cpu: 0 });
        i = 0;
      } else if (needs.every(Boolean) && fits(job)) {
        waiting.splice(i, 1);
        free -= take(job);
        active.set(job, start(job, folder));
      } else i++;
    }
    if (active.size === 0) continue;
    const result = await Promise.race(active.values());
    active.delete(result.job);
    free += take(result.job);
    end(result);
  }
  return [...results.values()];
}
