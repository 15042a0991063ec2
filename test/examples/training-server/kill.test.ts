// Devices: cpu
// R21: a server that is killed at any time loses nothing that it has acknowledged.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { uniform } from '../../support/data.ts';
import { goal } from '../../support/goal.ts';
import { uninterrupted } from './oracle.ts';
import { columnsOf, Server, type Told, upTo } from './server.ts';

const chaos = goal('R21', { ci: 2, deep: 100 });
/** The jobs of a seed, so many kills. */
const [jobs, kills] = chaos.deep ? [8, 8] : [3, 3];
const mlp = { kind: 'mlp', data: 'stripes', batch: 32, hidden: [24], steps: 300, checkpointEvery: 40 };
const gpt = { kind: 'gpt', data: 'abc', batch: 4, width: 8, blocks: 1, context: 8, steps: 60, checkpointEvery: 9 };
const optimizers = ['muon', 'adamw', 'auon', 'nor-muon', 'hybrid-auon', 'lion', 'sgd', 'dion'];

it('R21: killed at random, jobs end with the bits of an uninterrupted run, and a client that comes back misses nothing', {
  ...chaos.tagged,
  timeout: chaos.limit(180_000),
}, async () => {
  const killed: boolean[] = [];
  await chaos.each(async (seed) => {
    const random = uniform(seed);
    const server = await new Server().start();
    const told: Told[] = [];
    const listen = async (): Promise<void> => {
      try {
        for await (const event of server.events('/events', told.at(-1)?.id ?? 0)) told.push(event);
      } catch {
        // Killed, or over.
      }
    };
    try {
      const bodies = Array.from({ length: jobs }, (_, i) => ({
        ...(i % 3 === 2 ? gpt : mlp),
        seed: seed + i,
        optimizer: optimizers[(seed + i) % optimizers.length]!,
        schedule: 'cosine',
        lr: 0.01,
      }));
      const all = bodies.reduce((sum, body) => sum + body.steps, 0);
      let listening = listen();
      const ids: string[] = [];
      for (const body of bodies) ids.push(await server.job(body));
      for (let i = 0; i < kills; i++) {
        // In the middle of a step, or before the first one of a thread.
        const share = (i + random()) / kills;
        const steps = () => told.reduce((sum, { data }) => sum + (data.columns?.loss.length ?? 0), 0);
        while (steps() < share * all) await new Promise((resolve) => setTimeout(resolve, 5));
        // Acknowledged, so it holds: for this run from whatever step comes next.
        const changed = await server.ask(`/jobs/${ids[i % jobs]}`, 'PATCH', { lr: 0.01 + 0.01 * random() });
        expect([202, 409]).toContain(changed.status);
        killed.push((await server.ask(`/jobs/${ids[i % jobs]}`)).body.state === 'running');
        await server.end('SIGKILL');
        await listening;
        await server.start();
        listening = listen();
      }
      for (const id of ids) await server.state(id, 'done');
      const lastIds = await Promise.all(
        ids.map(async (id) => (await server.ask(`/jobs/${id}`)).body.lastEvent as number),
      );
      const last = Math.max(...lastIds);
      while ((told.at(-1)?.id ?? 0) < last) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(await server.end('SIGTERM')).toBe(0);
      await listening;

      const numbers = told.map(({ id }) => id);
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      expect(told.filter(({ type }) => type === 'resync')).toEqual([]);
      for (const [i, id] of ids.entries()) {
        const own = told.filter(({ data }) => data.job === id);
        const { kind, ...params } = bodies[i]!;
        const manifest = JSON.parse(
          readFileSync(path.join(server.folder, 'state', 'runs', id, 'manifest.json'), 'utf8'),
        );
        const { step, loss } = columnsOf(own, id);
        expect(step).toEqual(upTo(bodies[i]!.steps));
        const { changes } = manifest.summary;
        const expected = await uninterrupted(
          kind,
          { ...manifest.params, ...params },
          changes.filter((change: { step?: number }) => change.step !== undefined),
          path.join(server.folder, 'data'),
        );
        expect(loss).toEqual(expected.losses);
        const model = readFileSync(path.join(server.folder, 'state', 'runs', id, 'model', 'model.safetensors'));
        expect(model.equals(expected.model)).toBe(true);
      }
    } finally {
      await server.dispose();
    }
  });
  // Else nothing was interrupted.
  if (chaos.count > 1) expect(killed).toContain(true);
});
