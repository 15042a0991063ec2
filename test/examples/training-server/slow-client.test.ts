// Devices: cpu
// A client that takes no events delays no step: the same steps, with the same bits, are made and written down meanwhile.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Streams } from '../../../examples/training-server/http/stream.mjs';
import { Attendant } from '../../../examples/training-server/jobs/attendant.mjs';
import { readFields } from '../../../examples/training-server/jobs/fields.mjs';
import { kinds, settled } from '../../../examples/training-server/jobs/kinds.mjs';
import { limits } from '../../../examples/training-server/limits.mjs';
import { Store } from '../../../examples/training-server/runs/store.mjs';
import { writeData } from './data.ts';
import { uninterrupted } from './oracle.ts';
import { columnsOf, upTo } from './server.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('a client that does not read has no part in the steps of a job', { timeout: 60_000 }, async () => {
  const data = await writeData(folder);
  // It is neither dropped nor waited for while it is full: longer than the test takes, more than the job tells.
  const store = await Store.open(path.join(folder, 'state'), { ...limits, drainTime: 600_000, waitingBytes: 2 ** 30 });
  const streams = new Streams(store);
  let response: ServerResponse | undefined;
  const server = createServer((_, answer) => {
    response = answer;
    streams.open(answer, { after: 0 });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const client = connect(port, '127.0.0.1', () => client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')).pause();
  try {
    const filling = await store.create('mlp', {}, undefined);
    const turn = () => new Promise((resolve) => setTimeout(resolve, 20));
    await expect.poll(() => streams.size).toBe(1);
    // Buffers of both ends take some megabytes.
    for (let still = 0, count = 0; still < 5; ++count) {
      if (response!.writableNeedDrain) still += 1;
      else await store.append(filling, 'progress', { progress: { text: 'x'.repeat(200_000) } });
      await turn();
      expect(count).toBeLessThan(1000);
    }
    const { sent } = streams;

    const given = { data: 'stripes', batch: 16, hidden: [8], steps: 300 };
    const params = settled('mlp', readFields(given, kinds['mlp']!.fields, 'mlp'), limits);
    const run = await store.create('mlp', params, undefined);
    const job = { kind: 'mlp', trains: true, params, folder: run.folder, data, models: {}, init: undefined, checkpoint: undefined, known: 0, changes: [], threads: 1 }; // biome-ignore format: one line
    const end = await new Promise((resolve) => new Attendant(store, run, job, resolve));
    expect(end).toEqual({ how: 'done' });
    expect([streams.size, streams.dropped, streams.sent, response!.writableNeedDrain]).toEqual([1, 0, sent, true]);

    const events = [];
    for await (const lines of run.after(0))
      events.push(...lines.map(({ seq, text }) => ({ id: seq, type: JSON.parse(text).type, data: JSON.parse(text) })));
    const { step, loss } = columnsOf(events, run.id);
    expect(step).toEqual(upTo(300));
    // Messages on the way to the journal are few (8): that many steps would stop if each waited for the client.
    expect(events.filter(({ type }) => type === 'metrics').length).toBeGreaterThan(8);
    expect(loss).toEqual((await uninterrupted('mlp', params, [], data)).losses);
  } finally {
    client.destroy();
    server.close();
    await store.close();
  }
});
