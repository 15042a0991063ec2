// usage: node scripts/deep.mjs [--all] [part…]: runs parts of the deep run, one after the other, and writes what became of
// each into docs/reliability-runs.md as it ends, so that another sitting goes on where this one stopped. Without names:
// those that have not passed yet. `--list` names them. Exit 1 if one fails.
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { doneOf, reasonOf } from './deep/log.mjs';
import { countsOf, pageOf, rowsOf } from './deep/page.mjs';
import { parts } from './deep/parts.mjs';

const minutes = 30;
process.chdir(path.join(import.meta.dirname, '..'));
const page = path.join('docs', 'reliability-runs.md');
const folder = path.join('build', 'deep');
mkdirSync(folder, { recursive: true });

const names = parts.map((part) => part.name);
const args = process.argv.slice(2);
const read = () => (existsSync(page) ? rowsOf(readFileSync(page, 'utf8')) : new Map());
/** `R7` stands for all its slices. */
const isMeant = (name) => args.some((word) => name === word || name.startsWith(`${word} `));
const unknown = args.filter(
  (word) => !word.startsWith('--') && !names.some((name) => name === word || name.startsWith(`${word} `)),
);
if (unknown.length > 0 || args.some((word) => word.startsWith('--') && word !== '--all' && word !== '--list')) {
  console.error(`usage: bash scripts/run.sh deep [--all | --list] [part…]\nparts: ${names.join(', ')}`);
  process.exit(2);
}
if (args.includes('--list')) {
  console.log(names.join('\n'));
  process.exit(0);
}

const git = (...words) => spawnSync('git', words, { encoding: 'utf8' }).stdout.trim();
// Files that this command writes are no part of what runs.
const written = ['docs/reliability-runs.md', 'test/mutants/results.json'].map((file) => `:!${file}`);
const changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ...written);
const commit = git('rev-parse', '--short', 'HEAD') + (changed ? '-dirty' : '');
const named = args.some((word) => !word.startsWith('--'));
const done = read();
const wanted = parts.filter(({ name }) =>
  named ? isMeant(name) : args.includes('--all') || !done.get(name)?.result.startsWith('passed'),
);

function run({ name, run, env = {} }) {
  const log = path.join(folder, `${name.replaceAll(/[^\w.-]+/g, '-')}.log`);
  const record = `${log}.jsonl`;
  rmSync(record, { force: true });
  const seed = Math.floor(Math.random() * 2 ** 31);
  const begin = performance.now();
  const { status, signal } = spawnSync(
    'timeout',
    ['--kill-after=10', `${minutes}m`, 'bash', '-c', `(${run}) > ${JSON.stringify(log)} 2>&1`],
    {
      stdio: 'inherit',
      env: { ...process.env, ORTHOKIT_DEEP_SEED: String(seed), ORTHOKIT_DEEP_RECORD: path.resolve(record), ...env },
    },
  );
  const records = existsSync(record)
    ? readFileSync(record, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    : [];
  const text = readFileSync(log, 'utf8');
  const failed = status !== 0;
  const ended = status === 124 ? `over ${minutes} minutes` : `${status ?? signal}`;
  if (failed) console.log(text.trimEnd().split('\n').slice(-60).join('\n'));
  return {
    part: name,
    commit,
    date: new Date().toISOString().slice(0, 10),
    minutes: ((performance.now() - begin) / 60_000).toFixed(1),
    machine: `${os.cpus()[0].model.trim()}, ${os.availableParallelism()} cores, Node.js ${process.version}`,
    counts: countsOf(records) || doneOf(text),
    // A case that fails may be the first one that would have been recorded.
    seed: records.length > 0 || (failed && env.ORTHOKIT_DEEP) ? seed : '',
    result: failed ? `FAILED (${ended}): ${reasonOf(text)}` : 'passed',
  };
}

for (const part of wanted) {
  console.log(`=== ${part.name}`);
  const row = run(part);
  // Another sitting may have written meanwhile.
  writeFileSync(page, pageOf(names, read().set(part.name, row)));
  appendFileSync(path.join(folder, 'runs.jsonl'), `${JSON.stringify(row)}\n`);
  console.log(`=== ${part.name}: ${row.result} in ${row.minutes} minutes${row.counts ? ` (${row.counts})` : ''}`);
  if (row.result !== 'passed') process.exitCode = 1;
}
const rows = read();
const open = names.filter((name) => !rows.get(name)?.result.startsWith('passed'));
console.log(open.length > 0 ? `Not passed yet: ${open.join(', ')}` : 'All parts have passed.');
