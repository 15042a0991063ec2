#!/usr/bin/env node
// Measures everything that the pages tell of speed, in one sitting on one commit, and writes it there: docs/performance.md,
// docs/guide/sparse-coding-reference.md, README.md. On a quiet machine; twenty minutes.
// usage: node scripts/peers/all.mjs [--turns n] [--only section,…] [--out file] [--pages]
// --out leaves the pages as they are and writes what was measured to a file; --only needs it, as parts of two sittings do not
// stand side by side; --pages measures nothing and writes the pages from docs/benchmarks/measured.json.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { compilerOf } from '../bench-gate/record.mjs';
import { writeJson } from '../write-json.mjs';
import { writePages } from './pages.mjs';
import { root, sections } from './sections.mjs';

const { values: options } = parseArgs({
  options: {
    ...{ turns: { type: 'string', default: '3' }, only: { type: 'string' } },
    ...{ out: { type: 'string' }, pages: { type: 'boolean' } },
  },
});
const measuredFile = path.join(root, 'docs', 'benchmarks', 'measured.json');
/** A sitting that fails goes on from here when it is started again. */
const begunFile = path.join(root, 'build', 'sitting.json');
const turns = Number(options.turns);
const names = options.only?.split(',') ?? Object.keys(sections);
const unknown = names.filter((name) => !Object.hasOwn(sections, name));
if (unknown.length > 0 || !(turns >= 1) || (options.only && !options.out)) {
  console.error(
    `there is no section ${unknown}; sections: ${Object.keys(sections).join(' ')}; --turns must be 1 or more, got ${options.turns}; --only needs --out`,
  );
  process.exit(2);
}
if (options.pages) writePages(JSON.parse(readFileSync(measuredFile, 'utf8')));
else measure();

function run({ command: [program, ...words], env, isText }) {
  const executable = program === 'node' ? process.execPath : path.join(root, program);
  const { status, stdout, stderr, error } = spawnSync(executable, words, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`${[program, ...words].join(' ')}: ${error?.message ?? stderr}`);
  if (isText) return [stdout];
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function machine() {
  const git = (...words) =>
    execFileSync('git', ['-c', `safe.directory=${root}`, ...words], { cwd: root, encoding: 'utf8' }).trim();
  const [system] = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.slice(1) ?? [os.type()];
  return {
    cpu: os.cpus()[0].model,
    processors: os.cpus().length,
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GB`,
    system,
    node: process.version,
    compiler: compilerOf(path.join(root, 'build', 'cpu', 'orthokit_bench')),
    commit: git('describe', '--always', '--dirty', '--abbrev=12', '--exclude=*'),
    date: new Date().toISOString().slice(0, 10),
    turns,
  };
}

/** The measurements of a sitting that was broken off, if it was of this commit, this day and as many turns. */
function begun(own) {
  if (options.out || !existsSync(begunFile)) return undefined;
  const before = JSON.parse(readFileSync(begunFile, 'utf8'));
  const same = ['commit', 'date', 'turns', 'cpu'].every((key) => before.machine[key] === own[key]);
  return same ? before : undefined;
}

function measure() {
  const load = () => os.loadavg()[0].toFixed(1);
  const own = machine();
  const measured = begun(own) ?? { machine: { ...own, loadBefore: load(), minutes: 0 }, sections: {} };
  const file = options.out ?? measuredFile;
  for (const folder of [file, begunFile].map(path.dirname)) mkdirSync(folder, { recursive: true });
  for (const name of names.filter((section) => !(section in measured.sections))) {
    const start = performance.now();
    const lines = sections[name](turns).flatMap(run);
    const seconds = Math.round((performance.now() - start) / 1e3);
    console.log(`${name}: ${lines.length} lines in ${seconds} s, load ${load()}`);
    measured.sections[name] = { seconds, load: load(), lines };
    const all = Object.values(measured.sections).reduce((sum, section) => sum + section.seconds, 0);
    measured.machine.minutes = Math.round(all / 60);
    if (!options.out) writeFileSync(begunFile, JSON.stringify(measured));
  }
  writeJson(file, measured);
  if (!options.out) {
    writePages(measured);
    rmSync(begunFile);
  }
}
