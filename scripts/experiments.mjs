// npm run experiment -- <name>: makes the runs of an experiment that are not there yet. Each finished run is kept, so that the next
// call goes on after it.
// usage: node scripts/experiments.mjs <name> [--minutes N] [--plan] [--quick] [--write] [--folder folder]
//   --minutes   starts no run that would end later
//   --plan      measures a few steps of each kind of run, and tells how long all runs take
//   --quick     tiny runs, which show that everything works and learns, and prove nothing
//   --write     writes the page of the experiment, if all runs are there
//   --folder    of what is made (default: build/experiments)
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

const root = path.join(import.meta.dirname, '..');
const home = path.join(import.meta.dirname, 'experiments');
const isExperiment = (/** @type {string} */ name) => existsSync(path.join(home, name, 'index.mjs'));

function refuse(/** @type {string} */ reason) {
  const names = readdirSync(home).filter(isExperiment).join(' | ');
  console.error(`${reason}\nusage: npm run experiment -- ${names} [--minutes N] [--plan | --quick | --write]`);
  process.exit(2);
}

function read() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        minutes: { type: 'string', default: '100000' },
        folder: { type: 'string', default: path.join(root, 'build', 'experiments') },
        plan: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    return refuse(/** @type {Error} */ (error).message);
  }
}

const { values, positionals } = read();
const [name, ...more] = positionals;
const minutes = Number(values.minutes);
if (!name || more.length > 0 || !/^[a-z-]+$/.test(name) || !isExperiment(name))
  refuse('the name of one experiment is needed');
if (!(minutes > 0)) refuse(`--minutes must be a number above 0, got ${values.minutes}`);
if (Number(values.plan) + Number(values.quick) + Number(values.write) > 1)
  refuse('of --plan, --quick and --write one is allowed');

const { experiment } = await import(`./experiments/${name}/index.mjs`);
const { Records } = await import('./experiments/records.mjs');
const { makeRuns, openJobs } = await import('./experiments/session.mjs');
const records = new Records(path.join(values.folder, name, 'runs.jsonl'));

if (values.quick) await experiment.quick();
else if (values.plan) await experiment.plan(records);
else if (values.write) {
  const open = openJobs(experiment.jobs(records), records);
  if (open.length > 0) {
    const groups = [...new Set(open.map(({ group }) => group))];
    const lines = groups.map((group) => `  ${group}: ${open.filter((job) => job.group === group).length}`);
    console.error(`${name}: no page is written while runs are missing, by kind:\n${lines.join('\n')}`);
    process.exitCode = 1;
  } else for (const file of await experiment.write(records, root)) console.log(path.relative(root, file));
} else {
  const left = await makeRuns(experiment, records, { minutes, show: (line) => console.log(line) });
  console.log(
    left > 0 ? `${left} runs are left: the same command goes on` : `all runs are there: --write writes the page`,
  );
}
