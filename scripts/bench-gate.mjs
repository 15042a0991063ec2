#!/usr/bin/env node
// Compares ratios of times (to the floor, to plain forms, to peers where they are installed) with the recorded ones, and
// fails where one is worse beyond the noise.
// usage: npm run bench:gate [-- [--quick] [--turns n] [--accept 'reason'] [--bench program] [--record file]]
// --accept records what is worse, better or new, with its reason, and writes docs/performance.md; --quick takes a quarter of
// the ratios, without peers; --bench gates another build than build/cpu. Times are those of processors, so a busy machine
// only makes it longer: within ten minutes. Exit codes: 0 nothing is worse, 1 something is, 2 wrong usage, 3 a ratio that was
// raced has never been recorded of this machine, so that nothing can be said of it.
import path from 'node:path';
import { parseArgs } from 'node:util';
import { measurer } from './bench-gate/measure.mjs';
import { markdown } from './bench-gate/page.mjs';
import { ratios } from './bench-gate/ratios.mjs';
import { accepted, compilerOf, machineOf, read, recordFile } from './bench-gate/record.mjs';
import { judge, table } from './bench-gate/verdict.mjs';
import { writeMarked } from './marked.mjs';
import { writeJson } from './write-json.mjs';

const root = path.join(import.meta.dirname, '..');
const secondsForRepeats = 420;
/** Turns that a suspicion gets beyond those of all. */
const mostRepeats = 6;

function options() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      turns: { type: 'string' },
      accept: { type: 'string' },
      bench: { type: 'string', default: path.join(root, 'build', 'cpu', 'orthokit_bench') },
      record: { type: 'string', default: recordFile },
    },
  });
  const turns = Number(values.turns ?? (values.accept === undefined ? 3 : 5));
  if (!(Number.isInteger(turns) && turns >= 2)) throw new TypeError(`--turns must be 2 or more, got ${values.turns}`);
  if (values.accept?.trim() === '') throw new TypeError('--accept must have a reason, got none');
  return { ...values, turns };
}

/** Rows with the rounds of all turns: every ratio once, then again. */
function measured(chosen, turns, turnOf) {
  const rows = chosen.map((ratio) => ({ ratio, name: ratio.name, now: [] }));
  let machine;
  for (let i = 0; i < turns; i++)
    for (const row of rows) {
      if (row.reason) continue;
      const { value, reason, machine: line } = turnOf(row.ratio);
      machine ??= line;
      if (reason) row.reason = reason;
      else row.now.push(value);
    }
  return { rows, machine };
}

/** More turns of what is or may be worse, until it is cleared or there is no time left. */
function repeatSuspicions(rows, turnOf, ratiosOf) {
  for (let i = 0; i < mostRepeats; i++)
    for (const row of rows) {
      const doubtful = ['worse', 'suspicious'].includes(judge(ratiosOf[row.name], row.now));
      if (row.reason || !doubtful || performance.now() > 1e3 * secondsForRepeats) continue;
      row.now.push(turnOf(row.ratio).value);
    }
}

function main() {
  const { quick, turns, accept, bench, record: file } = options();
  const chosen = ratios.filter((ratio) => !quick || ratio.quick);
  const turnOf = measurer(bench);
  const { rows, machine: line } = measured(chosen, turns, turnOf);
  const [machine, compiler] = [machineOf(line), compilerOf(bench)];
  const record = read(file);
  const known = record.machines[machine];
  if (known) repeatSuspicions(rows, turnOf, known.ratios);
  for (const row of rows) {
    row.recorded = known?.ratios[row.name];
    row.verdict = row.reason ? 'not raced' : judge(row.recorded, row.now);
  }

  console.log(
    `${machine}; compiled by ${compiler}${known && known.compiler !== compiler ? `, recorded with ${known.compiler}` : ''}`,
  );
  console.log(table(rows).join('\n'));
  const count = (verdict) => rows.filter((row) => row.verdict === verdict).length;
  console.log(
    `${rows.length} ratios: ${count('worse')} worse, ${count('better')} better, ${count('new')} new, ${count('not raced')} not raced; ${Math.round(performance.now() / 1e3)} s`,
  );
  if (accept !== undefined) {
    const date = new Date().toISOString().slice(0, 10);
    const names = ratios.map(({ name }) => name);
    const changed = accepted(record, {
      machine,
      compiler,
      commit: line.commit,
      date,
      reason: accept.trim(),
      rows,
      names,
    });
    writeJson(file, changed);
    if (file === recordFile) writeMarked(path.join(root, 'docs', 'performance.md'), 'gate', markdown(changed));
    return 0;
  }
  if (!known) {
    console.log("Nothing is recorded of this machine: npm run bench:gate -- --accept 'reason' records it.");
    return 3;
  }
  if (count('worse') > 0) {
    console.log("What must be slower is recorded by npm run bench:gate -- --accept 'reason'.");
    return 1;
  }
  const unknown = rows.filter(({ verdict }) => verdict === 'new').map(({ name }) => name);
  if (unknown.length === 0) return 0;
  console.log(`Never recorded of this machine, by npm run bench:gate -- --accept 'reason': ${unknown.join(', ')}`);
  return 3;
}

try {
  process.exitCode = main();
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
