// The part of docs/performance.md that tells what the gate guards and what was accepted.
import { expected } from './verdict.mjs';

const show = (value) => value.toPrecision(3);

export function markdown({ machines, accepted }) {
  const names = Object.keys(machines);
  if (names.length === 0) return 'Nothing is recorded yet.';
  const rows = [...new Set(names.flatMap((name) => Object.keys(machines[name].ratios)))];
  const cell = (machine, ratio) => {
    const recorded = machines[machine].ratios[ratio];
    if (recorded === undefined) return '';
    const { middle, noise } = expected(recorded);
    return `${show(middle)} ± ${Math.round(100 * noise)} %`;
  };
  const letters = names.map((_, i) => String.fromCharCode(65 + i));
  const changes = (entry) =>
    entry.changes.length > 0
      ? entry.changes.map(({ name, from, to }) => `${name} ${show(from)} → ${show(to)}`).join(', ')
      : 'first record';
  return [
    ...names.map((name, i) => `- **${letters[i]}**: ${name}; compiled by ${machines[name].compiler}`),
    '',
    `| ratio | ${letters.join(' | ')} |`,
    `| --- | ${letters.map(() => '---').join(' | ')} |`,
    ...rows.map((row) => `| ${row} | ${names.map((name) => cell(name, row)).join(' | ')} |`),
    '',
    'Accepted:',
    '',
    '| date | commit | machine | what | reason |',
    '| --- | --- | --- | --- | --- |',
    ...accepted.map(
      (entry) =>
        `| ${entry.date} | ${entry.commit} | ${letters[names.indexOf(entry.machine)]} | ${changes(entry)} | ${entry.reason} |`,
    ),
  ].join('\n');
}
