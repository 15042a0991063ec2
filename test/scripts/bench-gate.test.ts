// Devices: cpu
// The gate on speed, with a bench that says what the tests want.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { markdown } from '../../scripts/bench-gate/page.mjs';
import { ratios } from '../../scripts/bench-gate/ratios.mjs';
import { expected, judge, table } from '../../scripts/bench-gate/verdict.mjs';
import { readMarked, replaceMarked } from '../../scripts/marked.mjs';

const root = path.join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
afterAll(() => rmSync(folder, { recursive: true }));

// Prints a line as orthokit_bench does, in bash, which starts quickly; SLOW: an operation and how many thousandths of its time
// it takes; ONCE: only in its first process.
const bench = path.join(folder, 'bench');
writeFileSync(
  bench,
  `#!/usr/bin/env bash
read -r slow factor <<< "\${SLOW:-none 1000}"
first=${path.join(folder, 'first')}
((ratio = 1000 + RANDOM % 20))
if [[ $1 == "$slow" && ( -z \${ONCE:-} || ! -e $first ) ]]; then
  touch "$first"
  ((ratio = ratio * factor / 1000))
fi
printf -v ratio '%d.%03d' $((ratio / 1000)) $((ratio % 1000))
echo '{"op":"'$1'","median_ms":'$ratio',"min_ms":'$ratio',"ratio_to_floor":'$ratio',"ratio_to_baseline":'$ratio',' \
  '"cpu":"a processor","isa":"'\${ISA:-avx2}'","commit":"abc"}'
`,
);
chmodSync(bench, 0o755);

const record = path.join(folder, 'recorded.json');
function gate(words: string[], env: Record<string, string> = {}) {
  const script = path.join(root, 'scripts', 'bench-gate.mjs');
  const all = [script, '--quick', '--turns', '3', '--bench', bench, '--record', record, ...words];
  return spawnSync(process.execPath, all, { encoding: 'utf8', env: { ...process.env, ...env } });
}
const recorded = () => JSON.parse(readFileSync(record, 'utf8'));

it('guards forty-three ratios, each by a name of its own', () => {
  expect(new Set(ratios.map(({ name }) => name)).size).toBe(43);
});

it('takes the noise from the recorded rounds, a tenth at least, three quarters at most', () => {
  expect(expected([1, 1.01, 1.02])).toEqual({ middle: 1.01, noise: 0.1 });
  expect(expected([0.9, 1, 1.1]).noise).toBeCloseTo(0.3, 12);
  expect(expected([0.5, 1, 1.5]).noise).toBe(0.75); // twice the time is never noise
});

it('judges by the median, and by whether any round is among the recorded ones', () => {
  const before = [1, 1.01, 1.02];
  expect(judge(undefined, [1])).toBe('new');
  expect(judge(before, [1.05, 1.06, 1.1])).toBe('same');
  expect(judge(before, [1.2, 1.2, 1.2])).toBe('worse');
  expect(judge(before, [1.01, 1.2, 1.2])).toBe('suspicious');
  expect(judge(before, [0.8, 0.8, 0.8])).toBe('better');
  expect(judge(before, [0.8, 0.8, 1])).toBe('same');
  expect(judge([0.9, 1, 1.1], [1.2, 1.25, 1.29])).toBe('same'); // within what the rounds were apart
});

it('prints a line a ratio', () => {
  const lines = table([
    { name: 'a', recorded: [2, 2], now: [3, 3.2], verdict: 'worse' },
    { name: 'b', now: [], verdict: 'not raced', reason: 'no NumPy' },
  ]);
  expect(lines[1]).toMatch(/^a +2\.00 +3\.10 \(2\) +±10 % +worse$/);
  expect(lines[2]).toMatch(/^b +not raced: no NumPy$/);
});

it('fails on a kernel that takes twice as long, until that is accepted with a reason', () => {
  rmSync(record, { force: true });
  expect(gate([])).toMatchObject({ status: 3, stdout: expect.stringContaining('Nothing is recorded of this machine') });
  expect(gate(['--accept', 'first']).status).toBe(0);
  expect(gate([])).toMatchObject({ status: 0, stdout: expect.stringContaining(' 0 worse, 0 better, 0 new') });

  const slow = gate([], { SLOW: 'row_softmax 2000' });
  expect(slow.status).toBe(1);
  expect(slow.stdout).toMatch(/^softmax .* worse$/m);
  expect(slow.stdout).toContain(' 1 worse, 0 better');
  expect(recorded().accepted.length).toBe(1);

  expect(gate(['--accept', 'exact sums'], { SLOW: 'row_softmax 2000' }).status).toBe(0);
  const { accepted, machines } = recorded();
  expect(accepted[1]).toMatchObject({ reason: 'exact sums', commit: 'abc', changes: [{ name: 'softmax' }] });
  expect(accepted[1].changes[0].to / accepted[1].changes[0].from).toBeCloseTo(2, 1);
  expect(markdown({ machines, accepted })).toMatch(/\| A \| softmax 1\.\d+ → 2\.\d+ \| exact sums \|/);
  expect(gate([], { SLOW: 'row_softmax 2000' }).status).toBe(0);
  expect(gate([]).stdout).toMatch(/^softmax .* better$/m);
});

it('keeps what is the same as it was recorded, so that small losses do not add up', () => {
  rmSync(record, { force: true });
  gate(['--accept', 'first']);
  const before = recorded();
  gate(['--accept', 'nothing'], { SLOW: 'row_softmax 1050' });
  expect(recorded().machines).toEqual(before.machines);
});

it('looks again at what was slow once', () => {
  rmSync(record, { force: true });
  gate(['--accept', 'first']);
  rmSync(path.join(folder, 'first'), { force: true });
  const { status, stdout } = gate(['--turns', '2'], { SLOW: 'row_softmax 3000', ONCE: 'yes' });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^softmax .* \([3-9]\) .* same$/m);
});

it('knows a machine by its processor and instruction set', () => {
  rmSync(record, { force: true });
  gate(['--accept', 'first']);
  expect(gate([], { ISA: 'avx512' }).status).toBe(3);
});

it('passes no ratio that was never recorded', () => {
  rmSync(record, { force: true });
  gate(['--accept', 'first']);
  const changed = recorded();
  for (const { ratios } of Object.values<{ ratios: object }>(changed.machines))
    Reflect.deleteProperty(ratios, 'softmax');
  writeFileSync(record, JSON.stringify(changed));
  const { status, stdout } = gate([]);
  expect(stdout).toContain("Never recorded of this machine, by npm run bench:gate -- --accept 'reason': softmax\n");
  expect(status).toBe(3);
  // A ratio that is worse comes first.
  expect(gate([], { SLOW: 'sgd 2000' }).status).toBe(1);
});

it.each([
  [['--accept', ' '], /--accept must have a reason/],
  [['--turns', '1'], /--turns must be 2 or more, got 1/],
  [['--fast'], /--fast/],
])('refuses %j', (words, message) => {
  expect(gate(words)).toMatchObject({ status: 2, stderr: expect.stringMatching(message) });
});

it('has on the page what is recorded', () => {
  const page = readFileSync(path.join(root, 'docs', 'performance.md'), 'utf8');
  const text = readFileSync(path.join(root, 'scripts', 'bench-gate', 'recorded.json'), 'utf8');
  expect(readMarked(page, 'gate')).toBe(markdown(JSON.parse(text)));
});

it('replaces what is between marks, and nothing else', () => {
  const text = 'a\n<!-- x -->\nold\n<!-- end of x -->\nb\n';
  expect(replaceMarked(text, 'x', 'new')).toBe('a\n<!-- x -->\n\nnew\n\n<!-- end of x -->\nb\n');
  expect(() => replaceMarked(text, 'y', 'new')).toThrow('there is no part <!-- y -->');
});
