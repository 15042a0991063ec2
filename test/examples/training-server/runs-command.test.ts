// Devices: cpu
// The command that reads a server's folder: beside the server, after a kill, and where something is wrong.
import { spawnSync } from 'node:child_process';
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Server } from './server.ts';

const script = path.join(import.meta.dirname, '..', '..', '..', 'examples', 'training-server', 'runs.mjs');
// Later tests read what the first one has left.
const server = new Server();
beforeAll(() => server.start());
afterAll(() => server.dispose());

const state = path.join(server.folder, 'state');
function runs(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [script, ...words, '--folder', state], { encoding: 'utf8' });
}
const job = { kind: 'mlp', data: 'stripes', batch: 16, hidden: [8], steps: 40, checkpointEvery: 20 };

it('says what the server says, beside it and after a kill', async () => {
  const id = await server.job(job);
  await server.state(id, 'done');
  const second = await server.job({ ...job, steps: 1_000_000, checkpointEvery: 100_000 });
  await server.until(second, ({ type }) => type === 'metrics');
  const { body: run } = await server.ask(`/jobs/${id}`);
  expect(JSON.parse(runs('show', id).stdout)).toEqual(run);
  expect(runs('export', id).stdout).toBe((await server.ask(`/jobs/${id}/metrics.csv`)).body);
  expect(runs('export', id, '--format', 'jsonl').stdout).toBe((await server.ask(`/jobs/${id}/metrics.jsonl`)).body);
  expect(runs('log', id).stdout).toMatch(/queued\n.*begins at step 0\n[\s\S]*checkpoint of step 40,[\s\S]* done\n$/);

  await server.end('SIGKILL');
  const journal = path.join(state, 'runs', second, 'events.jsonl');
  appendFileSync(journal, '{"seq":');
  const before = readFileSync(journal, 'utf8');
  const listed = JSON.parse(runs('ls', '--json').stdout);
  expect(listed).toEqual([run, expect.objectContaining({ id: second, state: 'running' })]);
  const [head, ...rows] = runs('ls').stdout.trimEnd().split('\n');
  expect(head).toMatch(/^id +kind +state +step +loss +updated$/);
  expect(rows[0]!.split(/ +/)).toEqual([id, 'mlp', 'done', '40/40', `${run.last.loss}`, run.updated]);
  expect(rows[1]).toContain(`${second}  mlp   running  `);
  // A start of the server cuts a torn line off; the command does not.
  expect(readFileSync(journal, 'utf8')).toBe(before);
});

it('a run that somebody has damaged is named, and the others are told', () => {
  const [first, second] = readdirSync(path.join(state, 'runs')).sort() as [string, string];
  const manifest = path.join(state, 'runs', second, 'manifest.json');
  writeFileSync(manifest, '{"version":1,"summary":{}}');
  expect(runs('show', second)).toMatchObject({ status: 2, stderr: expect.stringContaining('cannot be read') });
  writeFileSync(manifest, '{');
  const { stdout, stderr, status } = runs('ls', '--json');
  expect(JSON.parse(stdout).map(({ id }: { id: string }) => id)).toEqual([first]);
  expect(stderr).toContain(`"message":"a run cannot be read","run":"${second}"`);
  expect(status).toBe(0);
  expect(runs('show', second)).toMatchObject({ status: 2, stderr: expect.stringContaining('cannot be read') });
});

it('a run is found by a beginning that no other has', () => {
  const [first, second] = readdirSync(path.join(state, 'runs')).sort() as [string, string];
  let common = 0;
  while (first[common] === second[common]) common += 1;
  expect(JSON.parse(runs('show', first.slice(0, common + 1)).stdout).id).toBe(first);
  expect(runs('show', first.slice(0, common)).stderr).toBe(
    `runs.mjs: 2 runs begin with ${first.slice(0, common)}: ${first}, ${second}\n`,
  );
});

it.each([
  [[], /^usage: |runs.mjs: usage: /],
  [['list'], /usage: /],
  [['ls', 'x'], /usage: /],
  [['show'], /usage: /],
  [['show', 'a', 'b'], /usage: /],
  [['show', 'nobody'], /there is no run nobody in /],
  [['ls', '--what'], /Unknown option '--what'/],
  [['show', 'nobody', '--json'], /--json is for ls/],
  [['ls', '--format', 'csv'], /--format is for export/],
])('%j is refused', (words, message) => {
  expect(runs(...words)).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(message) });
});

it('a format that it does not know, and a folder without runs, are refused', () => {
  const [first] = readdirSync(path.join(state, 'runs')).sort() as [string];
  expect(runs('export', first, '--format', 'xml').stderr).toBe(
    'runs.mjs: --format must be one of csv, jsonl, got xml\n',
  );
  const { status, stderr } = spawnSync(process.execPath, [script, 'ls', '--folder', path.join(state, 'none')], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([2, `runs.mjs: there are no runs in ${path.join(state, 'none')}\n`]);
});
