// Devices: cpu
import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appOf } from '../../../examples/training-server/http/app.mjs';
import { openapi } from '../../../examples/training-server/http/openapi.mjs';
import { limits } from '../../../examples/training-server/limits.mjs';
import { uninterrupted } from './oracle.ts';
import { columnsOf, Server, type Told, upTo } from './server.ts';

const server = new Server();
beforeAll(() => server.start());
afterAll(() => server.dispose());

const small = { kind: 'mlp', data: 'stripes', batch: 16, hidden: [8], steps: 40, checkpointEvery: 15 };
/** Runs until it is told to stop. */
const endless = { ...small, steps: 1_000_000, checkpointEvery: 100_000 };
const stepped = ({ type }: Told) => type === 'metrics';

describe('a training server', () => {
  it('trains, and tells each step once: as events, as curves, as CSV', async () => {
    const id = await server.job(small);
    await server.state(id, 'done');
    const { body: run } = await server.ask(`/jobs/${id}`);
    expect(run).toMatchObject({ id, kind: 'mlp', state: 'done', step: 40, steps: 40 });
    expect(run.result.testAccuracy).toBeGreaterThan(0.5);

    const events: Told[] = [];
    for await (const event of server.events(`/jobs/${id}/events`)) {
      events.push(event);
      if (event.id === run.lastEvent) break;
    }
    expect(events.map(({ type }) => type)).toContain('checkpoint');
    const { step, loss } = columnsOf(events, id);
    expect(step).toEqual(upTo(40));
    // The last two, and the first where it was the best.
    const [first, ...last] = [15, 30, 40].map((at) => ({ step: at, loss: loss![at - 1]! }));
    const best = last.every((other) => first!.loss <= other.loss) ? [first] : [];
    expect(run.checkpoints).toEqual([...best, ...last].map((one) => expect.objectContaining(one)));
    // From each place on, exactly the rest.
    const middle = events[Math.floor(events.length / 2)]!.id;
    const rest = [];
    for await (const { id: number } of server.events(`/jobs/${id}/events`, middle)) {
      rest.push(number);
      if (number === run.lastEvent) break;
    }
    expect(rest).toEqual(events.map((event) => event.id).filter((number) => number > middle));

    const { body } = await server.ask(`/jobs/${id}/metrics?points=10000&keys=loss,lr`);
    expect(body.curves.loss).toEqual(step.map((at, i) => [at, loss![i]]));
    expect(body.curves.lr.every(([, lr]: [number, number]) => lr === 0.02)).toBe(true);
    const few = (await server.ask(`/jobs/${id}/metrics?points=8&from=11&to=30`)).body.curves.loss as [number, number][];
    expect(few.length).toBeLessThanOrEqual(8);
    const inside = loss!.slice(10, 30);
    expect(Math.max(...few.map(([, value]) => value))).toBe(Math.max(...inside));
    expect(Math.min(...few.map(([, value]) => value))).toBe(Math.min(...inside));
    const csv = (await server.ask(`/jobs/${id}/metrics.csv`)).body.trim().split('\n');
    expect(csv[0]).toBe('step,loss,gradNorm,updateRms,lr,ms,memory,brake,seconds');
    expect(csv.slice(1).map((line: string) => Number(line.split(',')[1]))).toEqual(loss);
    const jsonl = (await server.ask(`/jobs/${id}/metrics.jsonl`)).body.trim().split('\n');
    const objects = jsonl.map((line: string) => JSON.parse(line) as { step: number; loss: number; lr: number });
    expect(objects.map((object: { step: number }) => object.step)).toEqual(step);
    expect(objects.map((object: { loss: number }) => object.loss)).toEqual(loss);
    const log = (await server.ask(`/jobs/${id}/log`)).body.trimEnd().split('\n') as string[];
    const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /;
    expect(log.every((line) => time.test(line))).toBe(true);
    const texts = log.map((line) => line.replace(time, ''));
    expect(texts.slice(0, 3)).toEqual(['queued', 'begins at step 0', 'running']);
    expect(texts.at(-1)).toBe('done');
    expect(texts.filter((line) => /^checkpoint of step (15|30|40), \d+ bytes, loss /.test(line))).toHaveLength(3);
    const lastTwo = (await server.ask(`/jobs/${id}/log?lines=2`)).body.trimEnd().split('\n');
    expect(lastTwo).toEqual(log.slice(-2));
    expect((await server.ask(`/jobs/${id}/log?lines=0`)).status).toBe(400);
    expect(Object.keys(objects[0]).sort()).toEqual(['gradNorm', 'loss', 'lr', 'memory', 'ms', 'seconds', 'step', 'updateRms']); // biome-ignore format: one line
  });

  it('pauses, changes rates and goes on, to the bits of a run that had them at that step from the first', async () => {
    const id = await server.job({ ...small, steps: 400, schedule: 'cosine', lr: 0.01 });
    await server.until(id, stepped);
    expect((await server.ask(`/jobs/${id}/pause`, 'POST')).status).toBe(202);
    await server.state(id, 'paused');
    expect((await server.ask(`/jobs/${id}/pause`, 'POST')).status).toBe(202);
    const paused = (await server.ask(`/jobs/${id}`)).body;
    expect(paused.checkpoints.at(-1).step).toBe(paused.step);
    expect((await server.ask(`/jobs/${id}`, 'PATCH', { lr: 0.001, weightDecay: 0.1 })).status).toBe(202);
    expect((await server.ask(`/jobs/${id}/resume`, 'POST')).status).toBe(202);
    await server.state(id, 'done');
    const { changes, params } = (await server.ask(`/jobs/${id}`)).body;
    expect(changes).toEqual([{ request: 1, values: { lr: 0.001, weightDecay: 0.1 }, step: paused.step }]);
    const { body } = await server.ask(`/jobs/${id}/metrics?points=10000`);
    const expected = await uninterrupted('mlp', params, changes, path.join(server.folder, 'data'));
    expect(body.curves.loss.map(([, value]: [number, number]) => value)).toEqual(expected.losses);
  });

  it('saves when asked, gives the weights in ranges, cancels, deletes', async () => {
    const id = await server.job(endless);
    await server.until(id, stepped);
    expect((await server.ask(`/jobs/${id}`, 'DELETE')).body).toMatchObject({ status: 409, code: 'ERR_STATE' });
    expect((await server.ask(`/jobs/${id}/checkpoint`, 'POST')).status).toBe(202);
    const { data } = await server.until(id, ({ type }) => type === 'checkpoint');
    const place = `/jobs/${id}/checkpoints/${data.step}/download`;
    expect((await server.ask(`/jobs/${id}/checkpoints`)).body.checkpoints).toEqual([
      { step: data.step, bytes: data.bytes, download: place },
    ]);
    const whole = Buffer.from(await (await fetch(server.url + place)).arrayBuffer());
    for (const [range, from, to] of [
      ['bytes=8-15', 8, 16],
      [`bytes=${whole.length - 4}-`, whole.length - 4, whole.length],
      ['bytes=-4', whole.length - 4, whole.length],
    ] as const) {
      const part = await fetch(server.url + place, { headers: { Range: range } });
      expect(part.status).toBe(206);
      expect(part.headers.get('content-range')).toBe(`bytes ${from}-${to - 1}/${whole.length}`);
      expect(Buffer.from(await part.arrayBuffer()).equals(whole.subarray(from, to))).toBe(true);
    }
    expect((await server.ask(place, 'GET', undefined, { Range: `bytes=${whole.length}-` })).status).toBe(416);
    expect((await server.ask(`/jobs/${id}/cancel`, 'POST')).status).toBe(202);
    await server.state(id, 'cancelled');
    await expect.poll(async () => (await server.ask(`/jobs/${id}`, 'DELETE')).status).toBe(204);
    expect((await server.ask(`/jobs/${id}`)).body).toMatchObject({ status: 404, code: 'ERR_NOT_FOUND' });
    expect(existsSync(path.join(server.folder, 'state', 'runs', id))).toBe(false);
  });

  it('runs several at once, and others wait; one that waits is paused and cancelled at once', async () => {
    const ids = [];
    for (let i = 0; i < limits.running + 1; i++) ids.push(await server.job(endless));
    for (const id of ids.slice(0, -1)) await server.until(id, stepped);
    const last = ids.at(-1)!;
    expect((await server.ask('/jobs?state=queued')).body.runs.map((run: { id: string }) => run.id)).toEqual([last]);
    expect((await server.ask(`/jobs/${last}/pause`, 'POST')).body.state).toBe('paused');
    expect((await server.ask(`/jobs/${last}/resume`, 'POST')).body.state).toBe('queued');
    expect((await server.ask(`/jobs/${last}/cancel`, 'POST')).body.state).toBe('cancelled');
    for (const id of ids.slice(0, -1)) await server.ask(`/jobs/${id}/cancel`, 'POST');
    for (const id of ids) await server.state(id, 'cancelled');
    const first = (await server.ask('/jobs?limit=2')).body;
    expect(first.runs.map((run: { id: string }) => run.id)).toEqual(ids.slice(-2).reverse());
    const second = (await server.ask(`/jobs?limit=1&cursor=${first.cursor}`)).body;
    expect(second.runs[0].id).toBe(ids.at(-3));
  });

  it('trains a GPT and a CNN, by other optimizers, and merges runs that began from one', async () => {
    const gpt = {
      kind: 'gpt',
      data: 'abc',
      steps: 3,
      batch: 4,
      width: 8,
      blocks: 1,
      context: 8,
      optimizer: 'hybrid-auon',
    };
    const cnn = { kind: 'cnn', steps: 2, batch: 4, channels: [1, 2, 2], optimizer: 'adamw', lr: 0.001 };
    const base = await server.job({ ...small, steps: 3 });
    const others = [await server.job(gpt), await server.job(cnn)];
    await server.state(base, 'done');
    const models = [];
    for (const optimizer of ['dion', 'lion'])
      models.push(await server.job({ ...small, steps: 3, seed: 2, optimizer, lr: 0.01, init: `run:${base}` }));
    for (const id of [...models, ...others]) await server.state(id, 'done');
    expect((await server.ask(`/jobs/${others[0]}`)).body.last.brake).toBeTypeOf('number');
    const merge = await server.job({
      kind: 'merge',
      base: `run:${base}`,
      models: models.map((id) => `run:${id}`),
      method: 'ties',
    });
    await server.state(merge, 'done');
    expect((await server.ask(`/jobs/${merge}`)).body.result).toMatchObject({ method: 'ties', tensors: 4 });
    const next = await server.job({ ...small, steps: 1, init: `run:${merge}` });
    await server.state(next, 'done');
    const unfit = await server.job({ ...small, hidden: [9], init: `run:${merge}` });
    const { data } = await server.until(unfit, ({ data: { state } }) => state === 'failed');
    expect(data).toMatchObject({ code: 'ERR_STATE' });
    expect(data.reason).not.toContain(server.folder);
  });

  it('makes one run of requests that have one key', async () => {
    const headers = { 'Idempotency-Key': 'once' };
    const answers = await Promise.all([1, 2].map(() => server.ask('/jobs', 'POST', { ...small, steps: 1 }, headers)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 201]);
    expect(answers[0]!.body.id).toBe(answers[1]!.body.id);
    expect(answers[0]!.headers.get('location')).toBe(`/jobs/${answers[0]!.body.id}`);
    const other = await server.ask('/jobs', 'POST', { ...small, steps: 2 }, headers);
    expect(other.body).toMatchObject({ status: 409, code: 'ERR_STATE' });
  });

  it('describes all that it answers', async () => {
    const app = appOf({ limits } as never);
    const routes = app.routes
      .filter(({ method, path: place }) => method !== 'ALL' && !/^\/(page|uplot)\/|^\/$/.test(place))
      .map(({ method, path: place }) => `${method} ${place.replaceAll(/:(\w+)/g, '{$1}')}`);
    const { paths } = openapi('0');
    const described = Object.entries(paths).flatMap(([place, operations]) =>
      Object.keys(operations)
        .filter((method) => method !== 'parameters')
        .map((method) => `${method.toUpperCase()} ${place}`),
    );
    expect(described.sort()).toEqual(routes.sort());
    for (const place of ['/openapi.json', '/version', '/methods', '/devices', '/errors', '/healthz', '/readyz'])
      expect((await server.ask(place)).status, place).toBe(200);
    const { body } = await server.ask('/metrics');
    expect(body).toMatch(/^orthokit_runs\{state="done"\} \d+$/m);
    expect(body).toMatch(/^orthokit_event_loop_lag_ms\{quantile="0.99"\} [\d.]+$/m);
  });

  it('saves on SIGTERM and goes on when it starts again', async () => {
    const id = await server.job(endless);
    await server.until(id, stepped);
    expect(await server.end('SIGTERM')).toBe(0);
    await server.start();
    const { body: run } = await server.ask(`/jobs/${id}`);
    const { step } = run.checkpoints.at(-1);
    await server.until(id, ({ type, data }) => type === 'metrics' && data.first > step);
    await server.ask(`/jobs/${id}/cancel`, 'POST');
    await server.state(id, 'cancelled');
  });
});
