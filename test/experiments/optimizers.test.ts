// Devices: cpu
// npm run experiment: runs that resume, verdicts by their rule, and tiny runs of every optimizer.
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { claims } from '../../scripts/experiments/optimizers/claims.mjs';
import { contestants, contestantsOf, ratesOf } from '../../scripts/experiments/optimizers/contestants.mjs';
import { judge } from '../../scripts/experiments/optimizers/evidence.mjs';
import { pageOf, settingsOf, tableOf } from '../../scripts/experiments/optimizers/page.mjs';
import { jobs, revision } from '../../scripts/experiments/optimizers/plan.mjs';
import { outcomeOf } from '../../scripts/experiments/optimizers/runs.mjs';
import { tasks } from '../../scripts/experiments/optimizers/tasks/index.mjs';
import { train } from '../../scripts/experiments/optimizers/train.mjs';
import { compare, verdict } from '../../scripts/experiments/optimizers/verdicts.mjs';
import { Records } from '../../scripts/experiments/records.mjs';
import { makeRuns } from '../../scripts/experiments/session.mjs';
import { allowance, processorTime } from '../support/processor.ts';

const root = path.join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
afterAll(() => rmSync(folder, { recursive: true }));

const run = (...words: string[]) => {
  const args = [path.join(root, 'scripts', 'experiments.mjs'), ...words, '--folder', folder];
  return spawnSync(process.execPath, args, { encoding: 'utf8' });
};

describe('runs', () => {
  const toy = {
    jobs: () => [1, 2, 3].map((rate) => ({ settings: { rate }, group: 'toy' })),
    nameOf: ({ rate }: { rate: number }) => `rate ${rate}`,
    run: async ({ rate }: { rate: number }) => ({ loss: rate / 3 }),
  };
  const options = (minutes: number, lines: string[] = []) => ({
    minutes,
    show: (line: string) => void lines.push(line),
  });

  it('go on where they were, and one that was cut is made again', async () => {
    const file = path.join(folder, 'toy', 'runs.jsonl');
    expect(await makeRuns(toy, new Records(file), options(1))).toBe(0);
    const lines = readFileSync(file, 'utf8').split('\n');
    expect(lines).toHaveLength(4);
    rmSync(file);
    appendFileSync(file, `${lines[0]}\n${lines[1]!.slice(0, 20)}`);
    const records = new Records(file);
    expect([records.of({ rate: 1 }).loss, records.of({ rate: 2 })]).toEqual([1 / 3, undefined]);
    const shown: string[] = [];
    expect(await makeRuns(toy, records, options(1, shown))).toBe(0);
    expect(shown).toEqual([
      expect.stringMatching(/^run 2 of 3: rate 2;/),
      expect.stringMatching(/^run 3 of 3: rate 3;/),
    ]);
    expect([...new Records(file).byKey.values()].map(({ loss }) => loss)).toEqual([1 / 3, 2 / 3, 1]);
  });

  it('end before the time is over', async () => {
    const records = new Records(path.join(folder, 'late', 'runs.jsonl'));
    records.append({ rate: 1 }, { wall: 60 });
    expect(await makeRuns(toy, records, options(0.5))).toBe(2);
  });
});

describe('verdicts', () => {
  const [low, same, high] = [
    [0.89, 0.9, 0.91],
    [0.99, 1, 1.01],
    [1.09, 1.1, 1.11],
  ];
  it('compare by seeds, beside their spread', () => {
    expect(compare(low, same)).toMatchObject({ outcome: 'better', gain: expect.closeTo(0.1, 3) });
    expect(compare(high, same).outcome).toBe('worse');
    expect(compare([0.8, 0.9, 1.2], same).outcome).toBe('even');
    expect(compare([0.9, 0.95, 0.99], same).outcome).toBe('even');
    expect(compare([0.9, Infinity, 0.9], same).outcome).toBe('worse');
  });

  it('follow the rule of the page', () => {
    const [better, even, worse] = [compare(low, same), compare(same, same), compare(high, same)];
    expect(verdict('better', [better, better, even])).toBe('seen');
    expect(verdict('better', [better, better, worse])).toBe('not seen at this size');
    expect(verdict('better', [worse, worse, even])).toBe('refuted');
    expect(verdict('as good', [even, better])).toBe('seen');
    expect(verdict('as good', [even, even, worse])).toBe('not seen at this size');
    expect(verdict('as good', [worse])).toBe('refuted');
    expect(verdict('better', [])).toBe('not run yet');
  });

  it('are not decided by a task whose loser may have a better rate beyond its grid', () => {
    const [better, even, worse] = [compare(low, same), compare(same, same), compare(high, same)];
    const open = (own: ReturnType<typeof compare>) => ({ ...own, isOpen: true });
    const edge = 'not decided at the edge of the grid';
    expect(verdict('better', [worse, even, open(worse)])).toBe(edge);
    expect(verdict('as good', [worse, even, open(worse)])).toBe(edge);
    expect(verdict('better', [better, even, open(better)])).toBe(edge);
    expect(verdict('better', [better, better, open(worse)])).toBe(edge);
    // An even one may be better or worse than it was.
    const turning = (...mayBe: ('better' | 'worse')[]) => ({ ...open(even), mayBe });
    expect(verdict('better', [better, even, turning('better')])).toBe(edge);
    expect(verdict('better', [better, even, turning('worse')])).toBe('not seen at this size');
    expect(verdict('better', [better, better, turning('worse')])).toBe(edge);
    expect(verdict('better', [worse, worse, turning('better')])).toBe(edge);
    expect(verdict('as good', [even, turning('worse')])).toBe(edge);
    expect(verdict('as good', [even, turning('better')])).toBe('seen');
    // An open task does not matter if the others decide alike.
    expect(verdict('better', [worse, worse, open(worse)])).toBe('refuted');
    expect(verdict('better', [better, better, open(better)])).toBe('seen');
  });
});

describe('the experiment of optimizers', () => {
  /** Runs as if they had been made: AuON is worse than the others, NorMuon better, each but a little by its rate and seed. */
  const made = {
    of: ({ optimizer, rate, seed }: { optimizer: string; rate: number; seed: number }) => {
      const { rate: middle } = contestants.find(({ name }) => name === optimizer)!;
      const factor = optimizer === 'AuON' ? 1.2 : optimizer === 'NorMuon' ? 0.8 : 1;
      const loss = factor * (0.5 + 0.001 * seed + 0.05 * Math.abs(Math.log2(rate / middle) - 1));
      const curve = [2, 1, 0.5].map((share, i) => ({
        samples: i,
        steps: 9 * (i + 1),
        loss: share * loss,
        seconds: i + 1,
      }));
      const sharpness = [{ samples: 1, sharpness: 2 * factor }];
      return { settings: { optimizer, rate, seed }, steps: 27, curve, loss, seconds: 3, signs: 0, sharpness, batch: 1 };
    },
  } as unknown as Records;

  it('tunes each optimizer of a task by as many runs, and all of a task by the same seeds', () => {
    const all = jobs(made);
    for (const { name } of tasks) {
      const counts = all.filter(({ group }) => group.startsWith(`${name}, `)).map(({ group }) => group);
      const sizes = [...new Set(counts)].map(
        (group) => `${group.split(', ').at(-1)} ${counts.filter((own) => own === group).length}`,
      );
      expect([...new Set(sizes)]).toEqual(name === 'gpt' ? ['rates 7', 'whole 6'] : ['whole 21']);
    }
    expect(all.every(({ settings }) => settings)).toBe(true);
    const none = jobs(new Records(path.join(folder, 'none.jsonl')));
    expect(none).toHaveLength(all.length);
    expect(none.filter(({ settings }) => !settings)).toHaveLength(
      6 * contestants.filter(({ tasks: own }) => !own).length,
    );
  });

  it('has a page with figures, and a verdict for each claim', () => {
    const outcomes = tasks.map((task) => outcomeOf(task, made));
    const page = pageOf(outcomes, 'Its 4 runs took 2 s.');
    expect(page).toContain('\n\nIts 4 runs took 2 s.\n\n');
    expect(page).toContain('| AuON ends at a lower loss than AdamW | arXiv 2509.24320 | *refuted* |');
    expect(page).toContain('| NorMuon ends at a lower loss than Muon | arXiv 2510.05491 | *seen* |');
    expect(page).toContain(
      '| DiffGrad ends at a lower loss than Adam | diffGrad, Dubey et al. 2020 | *not seen at this size* |',
    );
    expect(page).toMatch(/- Digits, dense layers: loss 0\.402 \(spread over seeds 0\.0016\) against 0\.502 /);
    expect(page).toContain('| SGD | 0.2 | 0.502 | 0.002 | 18 | 2 | 3 of 7 | 1.2 | 0.0 % | 2 |');
    const without = outcomes.map((own) => ({ ...own, entries: own.entries.filter(({ name }) => name !== 'Conda') }));
    expect(pageOf(without, '')).toMatch(/\| Conda ends at a lower loss than AdamW \|.*\| \*not run yet\* \|/);
    expect(page).toContain('| DCTAdamW | – | matrices | 0.004 | 0.004 | 0.001 |');
    expect(page).toContain(
      '| SGD + clipCoordinates | `momentum` 0.9; clipCoordinates: `fraction` 0.1 | all | 0.1 | 0.1 | 0.1 |',
    );
    expect(page).toContain('| AdaGrad, batches that grow | AdaptiveBatch: `test` norm, `eta` 1 | all | 0.02 | – | – |');
    expect(page).not.toMatch(/undefined|NaN/);
  });

  it('counts a task that is even as open where the method has its best rate at an end of its grid', () => {
    const claim = claims.find(({ method, other }) => method === 'Conda' && other === 'AdamW')!;
    const outcomes = tasks.map((task) => outcomeOf(task, made));
    expect(judge(claim, outcomes).lines.join()).not.toContain('beyond which it may be another');
    const atEnd = outcomes.map((own) => ({
      ...own,
      entries: own.entries.map((entry) =>
        entry.name === 'Conda'
          ? { ...entry, rate: Math.min(...entry.tuning.map(({ settings }) => settings.rate)) }
          : entry,
      ),
    }));
    const { verdict: found, lines } = judge(claim, atEnd);
    expect(found).toBe('not decided at the edge of the grid');
    expect(lines.filter((line) => line.includes('counts as even'))).toHaveLength(3);
    expect(lines.filter((line) => line.includes('beyond which it may be another'))).toHaveLength(3);
  });

  it('marks a rate at an end of its grid, and one whose tuning had its best there', () => {
    const outcome = outcomeOf(tasks[0]!, made);
    const [entry] = outcome.entries.filter(({ name }) => name === 'SGD');
    const rates = [...new Set(entry!.tuning.map((own) => own.settings.rate))].sort((a, b) => a - b);
    const row = (best: number, shown: number): string => {
      const tuning = entry!.tuning.map((own) => ({ ...own, loss: own.settings.rate === rates[best] ? 0.1 : 1 }));
      return tableOf({ ...outcome, entries: [{ ...entry!, tuning, rate: rates[shown]! }] });
    };
    expect([row(0, 0), row(6, 6), row(3, 0)].map((text) => text.includes(' ¹ |'))).toEqual([true, true, true]);
    expect([row(0, 1), row(6, 5)].map((text) => /[¹]|² \|/.exec(text)?.[0])).toEqual(['² |', '² |']);
    expect(row(3, 4)).not.toMatch(/[¹²]/);
  });

  it('has marks and verdicts on its page that fit its own grids', () => {
    const page = readFileSync(path.join(root, 'docs', 'experiments', 'optimizers.md'), 'utf8');
    expect(page).toContain(`\n\n${settingsOf(tasks)}\n\n`);
    for (const task of tasks) {
      const table = page.split(`## ${task.title}\n`)[1]!.split('\n## ')[0]!;
      for (const contestant of contestantsOf(task.name)) {
        const [, rate, mark] = new RegExp(`^\\| ${contestant.name.replace('+', '\\+')} \\| ([\\d.]+)( ¹)?`, 'm').exec(
          table,
        )!;
        const grid = ratesOf(contestant, task.name).map((own) => Number(own.toPrecision(3)));
        expect(grid, contestant.name).toContain(Number(rate));
        expect(mark !== undefined, contestant.name).toBe([grid[0], grid.at(-1)].includes(Number(rate)));
      }
    }
    for (const claim of claims)
      expect(page).toMatch(new RegExp(`\\| ${claim.text.replaceAll(/[.+]/g, '\\$&')} \\|.*\\| \\*[a-z ]+\\* \\|`));
  });

  it('gives the same bits again', async () => {
    const settings = {
      revision,
      task: 'mlp',
      size: 'quick',
      optimizer: 'Muon',
      rate: 0.02,
      seed: 1,
      share: 0.2,
    } as const;
    const [first, second] = [await train(settings), await train(settings)];
    const bits = ({ curve, loss, signs }: typeof first) => [curve.map((point) => point.loss), loss, signs];
    expect(bits(first)).toEqual(bits(second));
    expect(first.curve.at(-1)!.loss).toBeLessThan(first.curve[0]!.loss);
  });

  it('trains with every optimizer in 15 s of a processor, and EG keeps all signs', { timeout: 120_000 }, () => {
    const before = processorTime();
    const { status, stdout, stderr } = run('optimizers', '--quick');
    expect(processorTime() - before).toBeLessThan(15_000 * allowance());
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const rows = [...stdout.matchAll(/^(\w+): (.+?) {2,}(\d.*)$/gm)].map(([, task, name, numbers]) => {
      const [steps, first, last, test, signs, sharpness] = numbers!.split(/ +/).map(Number) as number[];
      return { task, name, steps, first: first!, last: last!, test: test!, signs, sharpness };
    });
    expect(rows.map(({ task, name }) => `${task}: ${name}`)).toEqual(
      tasks.flatMap((task) =>
        contestants.filter((own) => own.tasks?.includes(task.name) ?? true).map(({ name }) => `${task.name}: ${name}`),
      ),
    );
    for (const row of rows) {
      expect(row.last).toBeLessThan(row.first);
      expect(row.test).toBeLessThan(row.first);
      expect(row.signs === 0).toBe(row.name === 'EG');
      expect(row.sharpness).toBeGreaterThan(0);
    }
  });

  it('writes no page while runs are missing, and refuses what it does not know', () => {
    const { status, stderr } = run('optimizers', '--write');
    expect(status).toBe(1);
    expect(stderr).toContain('no page is written while runs are missing, by kind:\n  mlp, SGD, whole: 21\n');
    for (const words of [
      ['nothing'],
      [],
      ['optimizers', '--minutes', 'ten'],
      ['optimizers', '--fast'],
      ['optimizers', '--plan', '--quick'],
    ])
      expect(run(...words).status).toBe(2);
  });
});
