// Devices: cpu
// The queue of scripts/jobs.mjs: what runs when, and what a failure does. Then the lists themselves.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

interface Job {
  name: string;
  run: string;
  needs?: string[];
  cores?: number | 'alone';
  addon?: 'used' | 'unused' | 'replaced';
}
interface Result {
  job: Job;
  passed: boolean;
  status: number | string | null;
  cpu: number;
  log?: string;
}
const scripts = path.join(import.meta.dirname, '..', '..', 'scripts');
const { checkJobs, runJobs, selectJobs } = (await import(path.join(scripts, 'jobs', 'queue.mjs'))) as {
  checkJobs(jobs: Job[]): void;
  runJobs(jobs: Job[], options: { folder: string; cores?: number }): Promise<Result[]>;
  selectJobs(jobs: Job[], names: string[]): Job[];
};
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit jobs '));
afterAll(() => rmSync(folder, { recursive: true }));
const events = path.join(folder, 'events');

/** The job says when it begins and ends. */
const job = (name: string, rest: Partial<Job> = {}): Job => ({
  name,
  run: `echo +${name} >> '${events}'; sleep 0.2; echo -${name} >> '${events}'`,
  ...rest,
});
async function eventsOf(jobs: Job[], cores: number): Promise<{ results: Result[]; events: string[] }> {
  rmSync(events, { force: true });
  const results = await runJobs(jobs, { folder, cores });
  return { results, events: readFileSync(events, 'utf8').trim().split('\n') };
}

describe('the queue', () => {
  it('runs as many jobs at a time as there are cores, in order', async () => {
    const { results, events } = await eventsOf([job('a'), job('b'), job('c')], 2);
    expect(new Set(events.slice(0, 2))).toEqual(new Set(['+a', '+b']));
    expect(events.indexOf('+c')).toBeGreaterThan(Math.min(events.indexOf('-a'), events.indexOf('-b')));
    expect(results.map((result) => result.passed)).toEqual([true, true, true]);
  });

  it('lets a job wait for what it needs, and fill a core beside others', async () => {
    const { events } = await eventsOf([job('a'), job('b', { needs: ['a'] }), job('c')], 2);
    expect(events.indexOf('+b')).toBeGreaterThan(events.indexOf('-a'));
    expect(events.indexOf('+c')).toBeLessThan(events.indexOf('+b'));
  });

  it('runs nothing beside a job that must be alone, nor two of two cores at once', async () => {
    const { events } = await eventsOf([job('a'), job('b', { cores: 'alone' }), job('c', { cores: 2 }), job('d')], 2);
    for (const name of ['b', 'c']) expect(events[events.indexOf(`+${name}`) + 1]).toBe(`-${name}`);
  });

  it('runs a job that replaces the addon beside those that do without it alone', async () => {
    const { events } = await eventsOf(
      [job('a'), job('b', { addon: 'replaced' }), job('c', { addon: 'unused' }), job('d')],
      2,
    );
    const at = (event: string): number => events.indexOf(event);
    expect(new Set(events.slice(0, 2))).toEqual(new Set(['+a', '+c']));
    for (const one of ['a', 'd']) expect(at(`-${one}`) < at('+b') || at(`+${one}`) > at('-b'), one).toBe(true);
  });

  it('gives a job of more cores than there are all of them', async () => {
    const { events } = await eventsOf([job('a', { cores: 4 })], 1);
    expect(events).toEqual(['+a', '-a']);
  });

  it('tells failures with their output, and fails what needs them without running it', async () => {
    const jobs = [
      { name: 'a', run: 'echo out; echo err >&2; exit 3' },
      job('b', { needs: ['a'] }),
      job('c', { needs: ['b'] }),
      job('d'),
    ];
    const { results, events } = await eventsOf(jobs, 2);
    const of = (name: string): Result => results.find((result) => result.job.name === name)!;
    expect(of('a')).toMatchObject({ passed: false, status: 3 });
    expect(readFileSync(of('a').log!, 'utf8').split('\n').sort()).toEqual(['', 'err', 'out']);
    expect(of('b')).toMatchObject({ passed: false, status: 'not run, as a failed' });
    expect(of('c')).toMatchObject({ passed: false, status: 'not run, as b failed' });
    expect(events).toEqual(['+d', '-d']);
  });

  it('ends with the failed ones, and the last that they printed', async () => {
    const { summaryOf } = (await import(path.join(scripts, 'jobs', 'summary.mjs'))) as {
      summaryOf(results: Result[]): string[];
    };
    const failing = { name: 'a', run: 'seq 100; exit 3' };
    const lines = summaryOf(await runJobs([failing, job('b', { needs: ['a'] }), job('c')], { folder, cores: 1 }));
    expect(lines.slice(0, 4)).toEqual([
      expect.stringMatching(/^=== c: passed in \d+ s/),
      expect.stringMatching(/^=== a: FAILED \(3\) in \d+ s/),
      '=== b: FAILED (not run, as a failed) in 0 s, 0 s of processor time',
      '--- the end of a',
    ]);
    expect(lines.slice(4)).toEqual(Array.from({ length: 60 }, (_, i) => String(41 + i)));
  });

  it('counts the processor time of a job and of its children', async () => {
    const busy = `node -e "while (process.cpuUsage().user < 200_000);"`;
    const [result] = await runJobs([{ name: 'busy', run: busy }], { folder, cores: 1 });
    expect(result!.cpu).toBeGreaterThan(0.1);
  });

  it('refuses lists in which a name stands twice or a need stands later, and names that are not there', () => {
    expect(() => checkJobs([job('a'), job('a')])).toThrow('two jobs are named a');
    expect(() => checkJobs([job('a', { needs: ['b'] }), job('b')])).toThrow('a needs b');
    expect(() => selectJobs([job('a')], ['b'])).toThrow('no job b; there are a');
  });

  it('selects jobs with all that they need', () => {
    const jobs = [job('a'), job('b', { needs: ['a'] }), job('c', { needs: ['b'] }), job('d')];
    expect(selectJobs(jobs, ['c']).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });
});

describe.each(['test', 'soak', 'cuda', 'ptx', 'ci'])('the list %s', (list) => {
  it('is in order, and its steps exist', async () => {
    const { jobs } = (await import(path.join(scripts, 'jobs', `${list}.mjs`))) as { jobs: Job[] };
    expect(() => checkJobs(jobs)).not.toThrow();
    const steps = readFileSync(path.join(scripts, 'jobs', 'steps.sh'), 'utf8');
    for (const { run } of jobs)
      for (const [, name] of run.matchAll(/steps\.sh (\w+)/g)) expect(steps).toMatch(new RegExp(`^${name}\\(\\)`, 'm'));
  });
});

describe('the orders of the emulated device', () => {
  interface Order {
    threads: string;
    streams: string;
    source: string;
  }
  it('cover every pair, and all of them every triple', async () => {
    const { orders, allOrders } = (await import(path.join(scripts, 'jobs', 'orders.mjs'))) as {
      orders(): Order[];
      allOrders(): Order[];
    };
    const first = { threads: 'forward', streams: 'eager' };
    // The first order runs with each source of products.
    const run = [...orders(), ...['own', 'cublas'].map((source) => ({ ...first, source }))];
    const pairs = (a: keyof Order, b: keyof Order) => new Set(run.map((order) => `${order[a]} ${order[b]}`)).size;
    expect([pairs('threads', 'streams'), pairs('threads', 'source'), pairs('streams', 'source')]).toEqual([9, 6, 6]);
    expect(new Set(allOrders().map((order) => JSON.stringify(order))).size).toBe(16);
  });
});

describe('the parts of the tests', () => {
  const tests = path.join(import.meta.dirname, '..');
  const isTest = (file: string) => file.endsWith('.test.ts');
  const places = readdirSync(tests, { withFileTypes: true })
    .filter((one) =>
      one.isDirectory()
        ? readdirSync(path.join(tests, one.name), { recursive: true }).some((file) => isTest(String(file)))
        : isTest(one.name),
    )
    .map(({ name }) => `test/${name}`);
  const runOf = async (list: string, words: RegExp): Promise<string[]> => {
    const { jobs } = (await import(path.join(scripts, 'jobs', `${list}.mjs`))) as { jobs: Job[] };
    const own = jobs.filter(({ run }) => words.test(run));
    return own.flatMap(({ run }) => run.split(' ').filter((word) => word.startsWith('test/')));
  };

  it('run each folder once on the CPU, but for soak and fuzzing', async () => {
    const apart = ['test/soak', 'test/fuzz'];
    expect((await runOf('test', /sh vitest /)).sort()).toEqual(places.filter((one) => !apart.includes(one)).sort());
  });
  it('run each folder once on the emulated device', async () => {
    const run = await runOf('cuda', /sh vitest_on_cuda /);
    expect(run.sort()).toEqual(places.filter((one) => one !== 'test/soak').sort());
  });
  it('begin with the longest, which is no longer than a third of all', async () => {
    const { parts, jobsOf } = (await import(path.join(scripts, 'jobs', 'folders.mjs'))) as {
      parts: { names: string[]; cpu: number; cuda: number }[];
      jobsOf(of: typeof parts, device: 'cpu' | 'cuda', jobOf: (title: string, words: string) => string): string[];
    };
    for (const device of ['cpu', 'cuda'] as const) {
      const seconds = parts.map((part) => part[device]);
      const longest = parts[seconds.indexOf(Math.max(...seconds))]!;
      expect(jobsOf(parts, device, (_, words) => words)[0]).toContain(`test/${longest.names[0]}`);
      expect(Math.max(...seconds)).toBeLessThan(seconds.reduce((sum, one) => sum + one, 0) / 3);
    }
  });
});
