// The table at the end of CI: on what the tests ran, how many ran and were skipped, what takes long. Exit 1 where a test
// was left out, an instruction set that is here did not run, a test failed, or a family takes over 1.5 times its budget.
// usage: node scripts/test-table.mjs <folder> [--cpuinfo <file>] [--families <file>] [--slowness <factor>]
import { parseArgs } from 'node:util';
import { axes } from './test-table/axes.mjs';
import { overBudget, readBudgets, timesOf } from './test-table/families.mjs';
import { costOf, folderOf, readReports, wholeRuns } from './test-table/reports.mjs';
import { slowness } from './test-table/slowness.mjs';

const options = { cpuinfo: { type: 'string' }, families: { type: 'string' }, slowness: { type: 'string' } };
const { values, positionals } = parseArgs({ options, allowPositionals: true });
if (positionals.length !== 1) {
  console.error(
    'usage: node scripts/test-table.mjs <folder> [--cpuinfo <file>] [--families <file>] [--slowness <factor>]',
  );
  process.exit(2);
}
const reports = readReports(positionals[0]);

function print(title, header, rows) {
  const widths = header.map((word, i) => Math.max(word.length, ...rows.map((row) => row[i].length)));
  const line = (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  console.log(`\n${title}`);
  for (const row of [header, ...rows]) console.log(`  ${line(row).trimEnd()}`);
}
const seconds = (ms) => (ms / 1000).toFixed(1);

/** Tests of each folder, on each device. */
function folders({ tests }) {
  const sums = new Map();
  for (const { device, axis, filtered, files } of tests)
    for (const file of files) {
      const key = `${folderOf(file.file)}\t${axis ? `${device}, ${axis}` : device}`;
      const sum = sums.get(key) ?? { run: 0, skipped: 0, failed: 0, ms: 0 };
      sums.set(key, {
        run: sum.run + file.run,
        // A run that was asked for some titles only has not left out the others.
        skipped: sum.skipped + (filtered ? 0 : file.skipped),
        failed: sum.failed + file.failed,
        ms: sum.ms + costOf(file),
      });
    }
  const rows = [...sums]
    .sort()
    .map(([key, { run, skipped, failed, ms }]) => [
      ...key.split('\t'),
      ...[run, skipped, failed].map(String),
      seconds(ms),
    ]);
  print('Tests by folder', ['folder', 'device', 'run', 'skipped', 'failed', 'seconds'], rows);
}

function slowest({ tests }) {
  const rows = tests
    .flatMap(({ device, node, files }) => files.map((file) => ({ ...file, device, node })))
    .sort((a, b) => costOf(b) - costOf(a))
    .slice(0, 20)
    .map((file) => [file.file, file.device, file.node, seconds(costOf(file)), seconds(file.ms)]);
  print('The 20 slowest files', ['file', 'device', 'Node.js', 'seconds of processors', 'seconds'], rows);
}

/** Those that take long, a line each; the others together. */
function families(times, budgets) {
  const columns = Object.keys(budgets.default);
  const most = ([, row]) => Math.max(...Object.values(row));
  const sorted = [...times].sort((a, b) => most(b) - most(a));
  const shown = sorted.filter((one) => most(one) >= 2);
  const others = sorted.slice(shown.length);
  const sum = (column) => others.reduce((total, [, row]) => total + (row[column] ?? 0), 0);
  const rows = shown.map(([family, row]) => [family, ...columns.map((column) => row[column]?.toFixed(1) ?? '')]);
  const rest = [`${others.length} others`, ...columns.map((column) => sum(column).toFixed(1))];
  print('Seconds of each family', ['family', ...columns], others.length > 0 ? [...rows, rest] : rows);
}

/** Files that a device has tests in, and that no whole run has run. */
function leftOut({ tests }) {
  const where = ({ device, axis, node }) =>
    axis === 'node' ? `Node.js ${node}` : axis ? `${device}, ${axis}` : device;
  const key = (run, file) => `${file} (${where(run)})`;
  const done = new Set(
    wholeRuns(tests).flatMap((run) => run.files.filter((file) => file.run > 0).map(({ file }) => key(run, file))),
  );
  const due = new Set(tests.flatMap((run) => run.selected.map((file) => key(run, file))));
  return [...due]
    .filter((one) => !done.has(one))
    .sort()
    .map((one) => `never ran: ${one}`);
}

const skipped = (tests) =>
  wholeRuns(tests).flatMap(({ device, files }) =>
    files.filter((file) => file.skipped > 0).map((file) => `skipped: ${file.skipped} of ${file.file} on ${device}`),
  );
const failures = ({ tests, verified }) => [
  ...tests.flatMap(({ device, files }) =>
    files.filter(({ failed }) => failed > 0).map(({ file, failed }) => `failed: ${failed} of ${file} on ${device}`),
  ),
  ...verified
    .filter(({ failed }) => failed > 0)
    .map(({ device, isa, failed }) => `failed: ${failed} cases on ${device}, ${isa}`),
];

const budgets = readBudgets(values.families);
const times = timesOf(reports, budgets);
const slow = values.slowness === undefined ? slowness() : Number(values.slowness);
const { lines, wrong } = axes(reports, values);
for (const line of lines) console.log(line);
folders(reports);
slowest(reports);
families(times, budgets);
const over = overBudget(times, budgets, slow);
const told = (title, lines) => console.log(`\n${title}:\n${lines.map((one) => `  ${one}`).join('\n')}`);
if (slow > 1) console.log(`This machine takes ${slow.toFixed(2)} times as long as the one of the budgets.`);
const problems = [
  ...(reports.tests.length === 0 ? [`no run of vitest has written to ${positionals[0]}`] : []),
  ...wrong,
  ...leftOut(reports),
  ...skipped(reports.tests),
  ...failures(reports),
  ...over.filter(({ fails }) => fails).map(({ words }) => words),
];
const close = over.filter(({ fails }) => !fails).map(({ words }) => words);
if (close.length > 0) told('Over the budget, by less than others on the machine may cost', close);
if (problems.length > 0) {
  told('Not as it must be', problems);
  process.exitCode = 1;
}
