// Devices: cpu
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { checkDoor } from '../../../examples/training-server/http/guard.mjs';
import { rangeOf } from '../../../examples/training-server/http/range.mjs';
import { withoutPaths } from '../../../examples/training-server/jobs/attendant.mjs';
import { readFields, whole } from '../../../examples/training-server/jobs/fields.mjs';
import { kinds } from '../../../examples/training-server/jobs/kinds.mjs';
import { limits } from '../../../examples/training-server/limits.mjs';
import { Decimated } from '../../../examples/training-server/runs/decimate.mjs';
import { linesOf } from '../../../examples/training-server/runs/lines.mjs';
import { unknownPart } from '../../../examples/training-server/runs/metrics.mjs';
import { Ring } from '../../../examples/training-server/runs/ring.mjs';
import { Store } from '../../../examples/training-server/runs/store.mjs';
import { emptySummary, follow } from '../../../examples/training-server/runs/summary.mjs';

const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
afterAll(() => rmSync(folder, { recursive: true }));
const code = (name: string) => expect.objectContaining({ code: name });

describe('a curve that is thinned out', () => {
  it('keeps the least and the greatest value, in order, whatever comes', () => {
    const values = fc.array(fc.option(fc.double({ noDefaultInfinity: true })), { maxLength: 300 });
    fc.assert(
      fc.property(values, fc.integer({ min: 4, max: 50 }), (all, points) => {
        const curve = new Decimated(points);
        for (const [i, value] of all.entries()) curve.add(i + 1, value);
        const kept = curve.points();
        const real = all.flatMap((value, i) =>
          value === null || Number.isNaN(value) ? [] : [[i + 1, value] as const],
        );
        expect(kept.length).toBeLessThanOrEqual(Math.max(points, 4));
        expect(kept.map(([step]) => step)).toEqual([...new Set(kept.map(([step]) => step))].sort((a, b) => a - b));
        for (const point of kept) expect(real).toContainEqual(point);
        if (real.length > 0) {
          expect(Math.min(...kept.map(([, value]) => value))).toBe(Math.min(...real.map(([, value]) => value)));
          expect(Math.max(...kept.map(([, value]) => value))).toBe(Math.max(...real.map(([, value]) => value)));
        }
        if (real.length <= points / 2) expect(kept).toEqual(real);
      }),
    );
  });
});

describe('reports of steps that were taken again', () => {
  it('are told from the first unknown step on', () => {
    const report = { first: 5, columns: { loss: [1, 2, 3], lr: [4, 5, 6] } };
    expect(unknownPart(report, 4)).toEqual(report);
    expect(unknownPart(report, 6)).toEqual({ first: 7, columns: { loss: [3], lr: [6] } });
    expect(unknownPart(report, 7)).toBeUndefined();
    expect(unknownPart(report, 90)).toBeUndefined();
  });
});

describe('the checkpoints that are kept', () => {
  type Loss = number | 'NaN' | undefined;
  /** Steps that are kept after checkpoints of these losses, of steps 10, 20, …. */
  const keptAfter = (losses: readonly Loss[]) => {
    const summary = emptySummary();
    for (const [i, loss] of losses.entries()) {
      const event = { seq: i + 1, time: 0, job: 'a', type: 'checkpoint', step: 10 * (i + 1), bytes: 1, loss };
      follow(summary, event);
    }
    return summary.checkpoints.map(({ step }) => step);
  };

  it.each<[readonly Loss[], readonly number[]]>([
    [[3], [10]],
    [
      [3, 2],
      [10, 20],
    ],
    [
      [1, 2, 3, 4],
      [10, 30, 40],
    ],
    [
      [2, 1, 3, 4, 5],
      [20, 40, 50],
    ],
    [
      [2, 1, 1, 4, 5],
      [20, 40, 50],
    ],
    [
      [4, 3, 2, 1],
      [30, 40],
    ],
    [
      ['NaN', 5, 'NaN', 'NaN'],
      [20, 30, 40],
    ],
    // Journals of earlier servers have no losses.
    [
      [undefined, undefined, undefined],
      [20, 30],
    ],
  ])('of losses %j are those of steps %j: the last two, and the best', (losses, steps) => {
    expect(keptAfter(losses)).toEqual(steps);
  });

  it('hold one of each step, with the numbers of the last time', () => {
    const summary = emptySummary();
    for (const [step, loss] of [
      [10, 1],
      [20, 2],
      [20, 3],
    ] as const) {
      // biome-ignore format: one line
      const event = { seq: 1, time: 0, job: 'a', type: 'checkpoint', step, bytes: 1, loss };
      follow(summary, event);
    }
    expect(summary.checkpoints.map(({ step, loss }) => [step, loss])).toEqual([[10, 1], [20, 3]]); // biome-ignore format: one line
  });
});

describe('the ring of events', () => {
  it('has all events above its floor', () => {
    const ring = new Ring(4);
    const seen: number[] = [];
    for (let seq = 2; seq <= 40; seq += 2) {
      ring.push({ seq, job: 'a', type: 'metrics', text: 'x'.repeat(10) });
      seen.push(seq);
      for (let after = ring.floor; after <= seq; after++) {
        const rest = seen.filter((number) => number > after);
        expect(ring.after(after, 100).map((event) => event.seq)).toEqual(rest);
        expect(ring.bytesAfter(after)).toBe(10 * rest.length);
      }
    }
    expect(ring.floor).toBe(32);
    expect(ring.after(32, 2).map((event) => event.seq)).toEqual([34, 36]);
  });
});

describe('a journal', () => {
  it('is read by whole lines; half a line at its end was never acknowledged', async () => {
    const file = path.join(folder, 'lines');
    const long = 'ä'.repeat(50_000);
    writeFileSync(file, `{"seq":1}\n${long}\n{"seq":3}\n{"se`);
    const lines = [];
    for await (const some of linesOf(file)) lines.push(...some);
    expect(lines.map(({ text }) => text)).toEqual(['{"seq":1}', long, '{"seq":3}']);
    for (const { text, start, end } of lines)
      expect(readFileSync(file).subarray(start, end).toString()).toBe(`${text}\n`);
  });

  it('survives the end of its server at any byte', async () => {
    const root = path.join(folder, 'store');
    const first = await Store.open(root, limits);
    const run = await first.create('mlp', { steps: 9 }, 'key');
    await Promise.all(
      [1, 2, 3].map((step) => first.append(run, 'metrics', { first: step, columns: { loss: [step] } })),
    );
    await expect(Store.open(root, limits)).rejects.toThrow('another server uses the folder');
    await first.close();
    const file = path.join(root, 'runs', run.id, 'events.jsonl');
    const whole = readFileSync(file);
    for (const bytes of [0, 1, whole.indexOf('\n'), whole.indexOf('\n') + 1, whole.length - 1, whole.length]) {
      writeFileSync(file, whole.subarray(0, bytes));
      const store = await Store.open(root, limits);
      const lines = whole.subarray(0, bytes).toString().split('\n').length - 1;
      const again = store.run(run.id);
      expect(again.summary.step).toBe(lines);
      expect(store.byKey('key')).toBe(again);
      await store.append(again, 'metrics', { first: lines + 1, columns: { loss: [0] } });
      expect(store.ring.after(0, 10).map(({ seq }) => seq)).toEqual(Array.from({ length: lines + 1 }, (_, i) => i + 1));
      await store.close();
      for (const line of readFileSync(file, 'utf8').trim().split('\n')) JSON.parse(line);
    }
  });

  it('that cannot be written is tried again, and loses nothing', async () => {
    const store = await Store.open(path.join(folder, 'full'), limits);
    const run = await store.create('mlp', {}, undefined);
    await store.append(run, 'state', { state: 'running' });
    const { handle } = store.journal.openFile(run.journal)!;
    const write = handle.write.bind(handle) as (...args: unknown[]) => Promise<{ bytesWritten: number }>;
    let failures = 0;
    handle.write = (async (bytes: Buffer, from: number, length: number, at: number) => {
      if (failures++ > 1) return write(bytes, from, length, at);
      // Half of it, then no space.
      if (failures === 1) return write(bytes, from, 5, at);
      throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    }) as never;
    const written = store.append(run, 'state', { state: 'done' });
    await expect.poll(() => store.journal.problem).toBe('the journal cannot be written: ENOSPC');
    await written;
    expect(store.journal.problem).toBeUndefined();
    expect(
      readFileSync(run.journal, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).state),
    ).toEqual(['running', 'done']);
    await store.close();
  });

  it('that cannot be written holds up no other, and one that is not there fails', async () => {
    const store = await Store.open(path.join(folder, 'held'), limits);
    const make = () => store.create('mlp', {}, undefined);
    const [full, gone, well] = [await make(), await make(), await make()];
    await store.append(full, 'state', { state: 'running' });
    const { handle } = store.journal.openFile(full.journal)!;
    const write = handle.write;
    handle.write = (async () => {
      throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    }) as never;
    const held = store.append(full, 'state', { state: 'paused' });
    await expect.poll(() => store.journal.problem).toBeDefined();
    rmSync(gone.folder, { recursive: true });
    await expect(store.append(gone, 'state', { state: 'running' })).rejects.toMatchObject({ code: 'ERR_IO' });
    await store.append(well, 'state', { state: 'running' });
    expect(full.summary.state).toBe('running');
    handle.write = write;
    await held;
    expect(full.summary.state).toBe('paused');
    // It is told after what was told while it waited.
    expect(full.summary.lastSeq).toBeGreaterThan(well.summary.lastSeq);
    expect(store.ring.after(0, 9).map(({ job }) => job)).toEqual([full.id, well.id, full.id]);
    await store.remove(well);
    await expect(store.append(well, 'state', { state: 'paused' })).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    await store.close();
  });

  it('gives no number of an event twice, also where its run is deleted', async () => {
    const root = path.join(folder, 'numbers');
    const first = await Store.open(root, limits);
    const run = await first.create('mlp', {}, undefined);
    for (let i = 0; i < 3; i++) await first.append(run, 'state', { state: 'cancelled' });
    await first.remove(run);
    await first.close();
    const store = await Store.open(root, limits);
    expect(store.runs).toEqual([]);
    const next = await store.create('mlp', {}, undefined);
    await store.append(next, 'state', { state: 'queued' });
    expect(store.ring.after(3, 9).map(({ seq }) => seq)).toEqual([4]);
    await store.close();
  });

  it('that somebody has damaged holds up no other', async () => {
    const root = path.join(folder, 'damaged');
    const first = await Store.open(root, limits);
    const runs = [await first.create('mlp', {}, undefined), await first.create('mlp', {}, undefined)];
    for (const run of runs) await first.append(run, 'state', { state: 'paused' });
    await first.close();
    writeFileSync(runs[0]!.journal, 'not JSON\n');
    const store = await Store.open(root, limits);
    expect(store.runs.map(({ id }) => id)).toEqual([runs[1]!.id]);
    expect(readFileSync(runs[0]!.journal, 'utf8')).toBe('not JSON\n');
    await store.close();
  });

  it('that another program has added to is cut at its last whole line', async () => {
    const root = path.join(folder, 'torn');
    const first = await Store.open(root, limits);
    const run = await first.create('mlp', {}, undefined);
    await first.append(run, 'state', { state: 'paused' });
    await first.close();
    appendFileSync(run.journal, '{"seq":2,"time":1,"job"');
    const store = await Store.open(root, limits);
    expect(store.run(run.id).summary.state).toBe('paused');
    await store.close();
    expect(readFileSync(run.journal, 'utf8').endsWith('\n')).toBe(true);
  });
});

describe('the door', () => {
  const door = { hosts: ['box.example'], token: undefined, readOnly: false };
  const request = (headers: object, method = 'GET', url = '/jobs') => ({ headers, method, url }) as never;

  it.each([
    'localhost',
    'localhost:8080',
    'a.localhost:1',
    '127.0.0.1:8080',
    '[::1]:80',
    'box.example',
    'BOX.example:80',
  ])('is open for %s', (host) => checkDoor(request({ host }), door));
  it.each([
    'evil.example',
    'localhost.evil.example',
    'box.example.evil',
    '',
    undefined,
    'a b',
    'localhost:80:80',
    '127.0.0.1@evil',
  ])('is shut for %s', (host) => expect(() => checkDoor(request({ host }), door)).toThrow(code('ERR_HOST')));
  it('is shut for pages from elsewhere', () => {
    const host = 'localhost:80';
    for (const origin of ['http://evil.example', 'null', 'http://localhost:81', 'file://', 'http://localhost:80.evil'])
      expect(() => checkDoor(request({ host, origin }), door), origin).toThrow(code('ERR_ORIGIN'));
    checkDoor(request({ host: 'localhost:81', origin: 'http://localhost:81' }), door);
    const elsewhere = { host, 'sec-fetch-site': 'cross-site' };
    for (const [mode, method] of [
      ['cors', 'POST'],
      ['navigate', 'POST'],
      ['no-cors', 'GET'],
    ])
      expect(() => checkDoor(request({ ...elsewhere, 'sec-fetch-mode': mode }, method), door)).toThrow(
        code('ERR_ORIGIN'),
      );
    checkDoor(request({ ...elsewhere, 'sec-fetch-mode': 'navigate' }), door);
  });
  it('asks for the token, but for the page and for health', () => {
    const shut = { ...door, token: 'a long token of 24 bytes' };
    const host = 'localhost';
    for (const authorization of [
      undefined,
      '',
      'Bearer',
      'Bearer a',
      'Basic a long token of 24 bytes',
      'Bearer a long token of 24 bytes ',
    ])
      expect(() => checkDoor(request({ host, authorization }), shut)).toThrow(code('ERR_TOKEN'));
    checkDoor(request({ host, authorization: 'Bearer a long token of 24 bytes' }), shut);
    for (const url of ['/', '/page/main.mjs', '/healthz', '/readyz']) checkDoor(request({ host }, 'GET', url), shut);
    for (const url of ['/page/../jobs', '/page/', '/jobs?/healthz', '//', '/metrics'])
      expect(() => checkDoor(request({ host }, 'GET', url), shut), url).toThrow(code('ERR_TOKEN'));
  });
  it('lets only reading in, where that was said', () => {
    checkDoor(request({ host: 'localhost' }), { ...door, readOnly: true });
    expect(() => checkDoor(request({ host: 'localhost' }, 'POST'), { ...door, readOnly: true })).toThrow(
      code('ERR_READ_ONLY'),
    );
  });
});

describe('values of requests', () => {
  it('are refused where they are unknown, missing or out of range', () => {
    const { fields } = kinds['mlp']!;
    const bad: [object, string][] = [
      [{ __proto__: null, constructor: 1 }, 'mlp: "constructor" is unknown'],
      [JSON.parse('{"__proto__":{"steps":1}}'), 'mlp: "__proto__" is unknown'],
      [{ steps: 0 }, 'mlp: steps must be a whole number from 1 to 1000000, got 0'],
      [{ steps: '5' }, 'mlp: steps must be a whole number from 1 to 1000000, got "5"'],
      [{ lr: -1 }, 'mlp: lr must be a number from 0 to 10, got -1'],
      [{ hidden: [] }, 'mlp: hidden must be a list of 1 to 8'],
      [{ hidden: [[1]] }, 'mlp: hidden must be a list of 1 to 8'],
      [{ data: '../secret' }, 'mlp: data must be the name of images'],
      [{ data: 'a\0b' }, 'mlp: data must be the name of images'],
      [{ init: '/etc' }, 'mlp: init must be a model'],
    ];
    for (const [given, message] of bad) expect(() => readFields(given, fields, 'mlp')).toThrow(message);
    for (const given of [null, 1, 'a', []])
      expect(() => readFields(given, fields, 'mlp')).toThrow('mlp: the value must be an object');
    expect(() => readFields({}, { a: whole(1, 2) }, 'job')).toThrow('job: a must be given');
    expect(readFields({}, fields, 'mlp')).toMatchObject({ steps: 500, optimizer: 'muon', data: 'digits' });
  });

  it('ranges of bytes are those of the file', () => {
    expect(rangeOf(undefined, 10)).toBeUndefined();
    expect(rangeOf('bytes=-', 10)).toBeUndefined();
    expect(rangeOf('lines=1-2', 10)).toBeUndefined();
    expect(rangeOf('bytes=0-99', 10)).toEqual({ start: 0, end: 9 });
    expect(rangeOf('bytes=-99', 10)).toEqual({ start: 0, end: 9 });
    for (const header of ['bytes=10-', 'bytes=5-4', 'bytes=-0'])
      expect(() => rangeOf(header, 10)).toThrow(code('ERR_RANGE'));
  });

  it('messages name files without their folders', () => {
    expect(withoutPaths("load: '/home/a/runs/x/model.safetensors' is missing, 3/4 of it")).toBe(
      "load: 'model.safetensors' is missing, 3/4 of it",
    );
  });
});
