// Devices: cpu
// examples/decentralized: what a node does with messages that are lost, late, doubled, cut or not finite, and after it was killed. What
// communications must leave as it is, Σ (z + 2 z̃) over nodes, is 0 again whenever both sides have heard of all commits.
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bytesOf, type Frame, Frames, NoFrame } from '../../examples/decentralized/frames.mjs';
import { Journal } from '../../examples/decentralized/journal.mjs';
import { Participant } from '../../examples/decentralized/participant.mjs';
import { Device, loadTensors, type Tensor } from '../../lib/index.ts';

const dim = 3;
const folder = mkdtempSync(path.join(os.tmpdir(), 'messages-'));
const device = Device.open('cpu');
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

type Later = { units: number; call: () => void };
/** A node with a wire that ends here, and timers that this test lets go off. */
interface Kept {
  node: Participant;
  sent: Frame[];
  timers: Set<Later>;
  time: { now: number };
}

let made = 0;
async function nodeOf(id: 0 | 1, at = path.join(folder, `${++made}`)): Promise<Kept & { at: string }> {
  const [sent, timers, time] = [[] as Frame[], new Set<Later>(), { now: 0 }];
  const node = new Participant(device, {
    id,
    neighbours: [1 - id],
    method: { dim, mu: 1, lipschitz: 4, chi1Star: 0.5 },
    // Linear functions, which both nodes' vectors soon differ by.
    gradient: (_x: Tensor, out: Tensor) => out.write(Float32Array.from([4, 8, -12], (c) => c * (id === 0 ? 1 : -0.5))),
    journal: new Journal(at, dim),
    send: (_peer: number, frame: Frame) => sent.push(frame),
    now: () => time.now,
    later(units: number, call: () => void) {
      const timer = { units, call };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    random: () => 0.5,
    patience: 5,
  });
  await node.start();
  return { node, sent, timers, time, at };
}

/** The first message that waits on a wire. */
const take = ({ sent }: Kept): Frame => sent.shift()!;
/** Lets all of a time's timers go off. */
function fire({ timers }: Kept, units: number): void {
  for (const timer of [...timers]) if (timer.units === units && timers.delete(timer)) timer.call();
}
/** The node's own gradient event: the only timer of ln 2 units. */
async function gradientOf(kept: Kept): Promise<void> {
  const due = [...kept.timers].find(({ units }) => Math.abs(units - Math.LN2) < 1e-9)!;
  kept.timers.delete(due);
  due.call();
  await kept.node.snapshot();
}

async function total(...of: Kept[]): Promise<number[]> {
  const sum = Array<number>(dim).fill(0);
  for (const { node } of of) {
    const file = path.join(folder, 'total.safetensors');
    await node.node.save(file);
    const [vectors] = Object.values(await loadTensors(file, device));
    const all = await vectors!.read();
    for (let k = 0; k < dim; ++k) sum[k]! += all[4 * dim + k]! + 2 * all[5 * dim + k]!;
  }
  return sum;
}
const isZero = (sum: readonly number[]): boolean => sum.every((x) => Math.abs(x) < 1e-5);

/** Two nodes that differ, and the four messages of a communication on their way, up to one of them. */
async function pair() {
  const [a, b] = [await nodeOf(0), await nodeOf(1)];
  for (const one of [a, b]) await gradientOf(one);
  // y + z of both differ only once ỹ has moved y.
  a.time.now = b.time.now = 0.5;
  return { a, b };
}

describe('messages of examples/decentralized', () => {
  it('both sides move by the same difference', async () => {
    const { a, b } = await pair();
    await a.node.ask(1);
    await b.node.receive(take(a));
    const offer = take(b);
    expect(offer.vector!.some((x) => x !== 0)).toBe(true);
    await a.node.receive(offer);
    expect(isZero(await total(a))).toBe(false);
    await b.node.receive(take(a));
    await a.node.receive(take(b));
    expect(isZero(await total(a, b))).toBe(true);
    expect([a, b].map(({ node }) => node.counts.communications)).toEqual([1, 1]);
    expect([a.node.unconfirmed, a.node.isEngaged, b.node.isEngaged]).toEqual([0, false, false]);
  });

  it.each(['ask', 'offer'] as const)(
    'a lost %s: nothing has happened, and the next communication is made',
    async (kind) => {
      const { a, b } = await pair();
      await a.node.ask(1);
      const ask = take(a);
      if (kind === 'offer') {
        await b.node.receive(ask);
        take(b);
        expect(b.node.isEngaged).toBe(true);
      }
      for (const one of [a, b]) fire(one, 5);
      expect([a.node.isEngaged, b.node.isEngaged, a.node.counts.given]).toEqual([false, false, 1]);
      expect(isZero(await total(a))).toBe(true);
      await a.node.ask(1);
      await b.node.receive(take(a));
      await a.node.receive(take(b));
      await b.node.receive(take(a));
      expect(isZero(await total(a, b))).toBe(true);
      expect(b.node.counts.communications).toBe(1);
    },
  );

  it('a lost commit comes again, late, until it is confirmed; a lost confirmation makes it come doubled, once too often', async () => {
    const { a, b } = await pair();
    await a.node.ask(1);
    await b.node.receive(take(a));
    await a.node.receive(take(b));
    take(a);
    fire(b, 5);
    await gradientOf(b);
    // No other one begins before.
    await a.node.ask(1);
    expect(a.sent).toEqual([]);
    fire(a, 10);
    await b.node.receive(take(a));
    expect(b.node.counts).toMatchObject({ late: 1, communications: 1 });
    expect(isZero(await total(a, b))).toBe(true);
    take(b);
    fire(a, 10);
    await b.node.receive(take(a));
    expect(b.node.counts).toMatchObject({ doubled: 1, communications: 1 });
    expect(isZero(await total(a, b))).toBe(true);
    await a.node.receive(take(b));
    expect([a.node.unconfirmed, a.node.counts.resent]).toEqual([0, 2]);
    fire(a, 10);
    expect(a.sent).toEqual([]);
  });

  it('an offer that comes late, or twice, moves nothing', async () => {
    const { a, b } = await pair();
    await a.node.ask(1);
    await b.node.receive(take(a));
    const offer = take(b);
    fire(a, 5);
    await a.node.receive(offer);
    expect(a.node.counts).toMatchObject({ late: 1, communications: 0 });
    await a.node.ask(1);
    await b.node.receive(take(a));
    const second = take(b);
    expect(second.number).toBe(2);
    await a.node.receive(offer);
    await a.node.receive(second);
    await a.node.receive(second);
    expect(a.node.counts).toMatchObject({ late: 3, communications: 1 });
    await b.node.receive(take(a));
    expect(isZero(await total(a, b))).toBe(true);
  });

  it('a node that is engaged says so, and is asked again', async () => {
    const { a, b } = await pair();
    await a.node.ask(1);
    const ask = take(a);
    await a.node.receive({ kind: 'busy', peer: 1, number: ask.number, time: 0 });
    expect(a.node.isEngaged).toBe(false);
    await b.node.receive(ask);
    await b.node.receive(ask);
    expect(b.sent.map(({ kind }) => kind)).toEqual(['offer', 'offer']);
  });

  it.each([
    [0, 'before the commit'],
    [1, 'after the commit'],
    [2, 'after its confirmation'],
  ] as const)('the asking node is killed (stage %i): %s', async (stage, _when) => {
    const { a, b } = await pair();
    await a.node.ask(1);
    await b.node.receive(take(a));
    const offer = take(b);
    if (stage > 0) await a.node.receive(offer);
    if (stage > 1) await b.node.receive(take(a));
    const before = await total(a);
    // Killed: nothing but its files is left.
    const back = await nodeOf(0, a.at);
    expect(await total(back)).toEqual(before);
    expect(back.sent.map(({ kind }) => kind)).toEqual(stage === 0 ? [] : ['commit']);
    for (const frame of back.sent.splice(0)) await b.node.receive(frame);
    if (stage === 0) await back.node.receive(offer);
    expect(isZero(await total(back, b))).toBe(true);
  });

  it('the other node is killed after its offer, and after the commit', async () => {
    const { a, b } = await pair();
    await a.node.ask(1);
    await b.node.receive(take(a));
    await a.node.receive(take(b));
    const once = await nodeOf(1, b.at);
    const commit = take(a);
    await once.node.receive(commit);
    expect(isZero(await total(a, once))).toBe(true);
    const twice = await nodeOf(1, b.at);
    await twice.node.receive(commit);
    expect(twice.node.counts).toMatchObject({ doubled: 1, communications: 0, replayed: 1 });
    expect(isZero(await total(a, twice))).toBe(true);
  });

  it('comes back bit for bit from a snapshot and a journal whose last line was cut', async () => {
    const { a, b } = await pair();
    await a.node.ask(1);
    await b.node.receive(take(a));
    await a.node.receive(take(b));
    const journal = path.join(a.at, readdirSync(a.at).find((name) => name.endsWith('.bin'))!);
    appendFileSync(journal, bytesOf({ kind: 'gradient', peer: 0, number: 0, time: 9 }).subarray(0, 9));
    const back = await nodeOf(0, a.at);
    expect([back.node.node.time, back.node.counts.replayed]).toEqual([a.node.node.time, 1]);
    expect(await back.node.node.x.read()).toEqual(await a.node.node.x.read());
    // The cut line is gone, so that what follows stands after whole ones.
    await back.node.snapshot();
    expect(await total(await nodeOf(0, a.at))).toEqual(await total(a));
  });

  it('short and long messages are no frames, wherever they are cut; others are refused before anything moves', async () => {
    const offer: Frame = { kind: 'offer', peer: 1, number: 7, time: 1.25, vector: Float32Array.of(1, 2, 3) };
    const bytes = bytesOf(offer);
    for (let cut = 0; cut < bytes.length; ++cut) {
      const frames = new Frames(dim);
      expect(frames.push(bytes.subarray(0, cut))).toEqual([]);
      expect(frames.push(Buffer.concat([bytes.subarray(cut), bytes]))).toEqual([offer, offer]);
      expect(frames.open).toBe(0);
    }
    const wrong = [new Float32Array(2), new Float32Array(4)].map((vector) => bytesOf({ ...offer, vector }));
    wrong.push(bytesOf({ ...offer, kind: 'ask' }), bytesOf({ kind: 'offer', peer: 1, number: 7, time: 1 }), Buffer.alloc(40, 255)); // biome-ignore format: one line
    for (const one of wrong) expect(() => new Frames(dim).push(one)).toThrow(NoFrame);
    const { a } = await pair();
    await a.node.ask(1);
    const { number } = take(a);
    await a.node.receive({ ...offer, number, vector: Float32Array.of(1, Number.NaN, 3) });
    await a.node.receive({ ...offer, number, time: Number.POSITIVE_INFINITY });
    await a.node.receive({ ...offer, number, peer: 5 });
    expect(a.node.counts).toMatchObject({ refused: 3, communications: 0 });
    expect(isZero(await total(a))).toBe(true);
  });
});
