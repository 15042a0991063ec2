// Devices: cpu
// Requests that come at once, and folders that go while the server has them.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Server, type Told } from './server.ts';

const server = new Server();
beforeAll(() => server.start());
afterAll(() => server.dispose());

const endless = {
  kind: 'mlp',
  data: 'stripes',
  batch: 16,
  hidden: [8],
  steps: 1_000_000,
  checkpointEvery: 100_000,
};
const stepped = ({ type }: Told) => type === 'metrics';
const gauge = async (name: string) =>
  Number(new RegExp(`^orthokit_${name} (\\d+)$`, 'm').exec((await server.ask('/metrics')).body)![1]);

/** Sends a request several times in one piece, and gives the statuses. */
function pipelined(place: string, count: number): Promise<number[]> {
  const head = (last: boolean) =>
    `POST ${place} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n${last ? 'Connection: close\r\n' : ''}\r\n`;
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    let text = '';
    socket.on('data', (piece) => {
      text += piece;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))));
    socket.write(Array.from({ length: count }, (_, i) => head(i === count - 1)).join(''));
  });
}

it('a run that is asked for the same several times at once does it once', async () => {
  const first = await server.job(endless);
  const second = await server.job(endless);
  await server.until(first, stepped);
  await server.until(second, stepped);
  const waits = await server.job(endless);
  expect(await pipelined(`/jobs/${waits}/pause`, 3)).toEqual([202, 202, 202]);
  expect((await server.ask(`/jobs/${waits}`)).body.state).toBe('paused');
  expect(await pipelined(`/jobs/${waits}/resume`, 3)).toEqual([202, 202, 202]);
  expect((await server.ask(`/jobs/${waits}`)).body.state).toBe('queued');
  expect(await gauge('jobs_queued')).toBe(1);
  expect(await pipelined(`/jobs/${waits}/cancel`, 3)).toEqual([202, 202, 202]);
  expect(await pipelined(`/jobs/${first}/pause`, 3)).toEqual([202, 202, 202]);
  await server.state(first, 'paused');
  await expect.poll(() => gauge('jobs_running')).toBe(1);
  expect(await pipelined(`/jobs/${first}/resume`, 3)).toEqual([202, 202, 202]);
  await expect.poll(async () => (await server.ask(`/jobs/${first}`)).body.state).toBe('running');
  expect(await gauge('jobs_running')).toBe(2);
  // Those of starts before are let go of.
  for (let i = 0; i < 3; i++) {
    const { step } = (await server.ask(`/jobs/${first}`)).body;
    await server.until(first, ({ type, data }) => type === 'metrics' && data.first > step);
    await server.ask(`/jobs/${first}/pause`, 'POST');
    await expect.poll(async () => (await server.ask(`/jobs/${first}`)).body.state).toBe('paused');
    await server.ask(`/jobs/${first}/resume`, 'POST');
  }
  const { checkpoints } = (await server.ask(`/jobs/${first}`)).body;
  const folders = readdirSync(path.join(server.folder, 'state', 'runs', first, 'checkpoints'));
  expect(folders.map(Number).sort((a, b) => a - b)).toEqual(checkpoints.map(({ step }: { step: number }) => step));
  for (const id of [first, second]) {
    await server.ask(`/jobs/${id}/cancel`, 'POST');
    await server.state(id, 'cancelled');
  }
  await expect.poll(() => gauge('jobs_running')).toBe(0);
});

it('a run whose folder has gone fails, and holds up no other', async () => {
  const other = await server.job(endless);
  const lost = await server.job(endless);
  await server.until(lost, stepped);
  await server.ask(`/jobs/${lost}/pause`, 'POST');
  await server.state(lost, 'paused');
  await server.end('SIGTERM');
  await server.start();
  rmSync(path.join(server.folder, 'state', 'runs', lost), { recursive: true });
  const answer = await server.ask(`/jobs/${lost}/resume`, 'POST');
  expect(answer.body).toMatchObject({ status: 503, code: 'ERR_IO' });
  expect((await server.ask(`/jobs/${lost}`)).body).toMatchObject({ state: 'failed', code: 'ERR_IO' });
  const { step } = (await server.ask(`/jobs/${other}`)).body;
  await server.until(other, ({ type, data }) => type === 'metrics' && data.first > step);
  expect((await server.ask('/readyz')).status).toBe(200);
  expect((await server.ask(`/jobs/${lost}`, 'DELETE')).status).toBe(204);
  await server.ask(`/jobs/${other}/cancel`, 'POST');
  await server.state(other, 'cancelled');
});

it('a merge that was killed about its end is done at the next start', async () => {
  const small = { ...endless, steps: 2 };
  const base = await server.job(small);
  await server.state(base, 'done');
  const other = await server.job({ ...small, seed: 2, init: `run:${base}` });
  await server.state(other, 'done');
  const model = (id: string) => path.join(server.folder, 'state', 'runs', id, 'model');
  const folder = path.dirname(model(base));
  const [place, aside] = [path.join(folder, 'merged', 'model'), path.join(folder, 'merged', '.model.new')];
  mkdirSync(path.join(folder, 'merged'));
  const job = {
    kind: 'merge',
    params: { method: 'average' },
    folder: path.join(folder, 'merged'),
    models: { base: model(base), models: [model(other)] },
  };
  const thread = path.join(import.meta.dirname, '..', '..', '..', 'examples', 'training-server', 'work', 'worker.mjs');
  const merge = () =>
    new Promise<Told[]>((resolve, reject) => {
      const told: Told[] = [];
      const worker = new Worker(thread, { workerData: job });
      worker.on('error', reject);
      worker.on('message', (message) => {
        if (message.type !== 'progress') told.push(message);
        worker.postMessage({ type: 'written' });
      });
      worker.on('exit', () => resolve(told));
    });
  const first = await merge();
  expect(first).toMatchObject([
    { type: 'result', result: { method: 'average' } },
    { type: 'ended', state: 'done' },
  ]);
  const whole = readFileSync(path.join(place, 'model.safetensors'));
  const states = [
    () => {},
    // Before the model had its place, and before its report was written.
    () => renameSync(place, aside),
    () => {
      renameSync(place, aside);
      rmSync(path.join(folder, 'merged', 'report.json'));
    },
  ];
  for (const killed of states) {
    killed();
    expect(await merge()).toEqual(first);
    expect(readFileSync(path.join(place, 'model.safetensors'))).toEqual(whole);
    expect(existsSync(aside)).toBe(false);
  }
});

it('a rate that the optimizer has not, and sizes that need too much, are refused', async () => {
  const refused = { status: 400, code: 'ERR_ARGUMENT' };
  for (const optimizer of ['adamw', 'sgd', 'lion'])
    expect((await server.ask('/jobs', 'POST', { ...endless, optimizer, otherLr: 0.1 })).body).toMatchObject(refused);
  for (const body of [
    { kind: 'gpt', batch: 4096, context: 512 },
    { kind: 'gpt', width: 1024, blocks: 12, context: 512 },
    { kind: 'cnn', batch: 4096, channels: [256, 256, 256] },
  ]) {
    const { body: answer } = await server.ask('/jobs', 'POST', body);
    expect(answer).toMatchObject(refused);
    expect(answer.detail).toContain('a smaller batch or model does');
  }
  const id = await server.job({ ...endless, steps: 1, optimizer: 'sgd' });
  expect((await server.ask(`/jobs/${id}`)).body.params.otherLr).toBeUndefined();
  const change = await server.ask(`/jobs/${id}`, 'PATCH', { otherLr: 1 });
  expect([400, 409]).toContain(change.status);
  await server.state(id, 'done');
});
