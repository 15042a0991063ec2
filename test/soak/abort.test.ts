// Devices: cpu
// R18: whatever takes a signal rejects soon after an abort, leaves everything as it was, and leaves the device free.
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { uniform } from '../support/data.ts';
import { goal } from '../support/goal.ts';
import { clock, Machine } from '../support/machine.ts';
import { workTime } from '../support/processor.ts';
import { settledMemory } from '../support/settled.ts';
import { type Abortable, abortable, type Call } from './abort-calls.ts';

const aborts = goal('R18', { ci: 3, deep: 500 });

/**
 * Milliseconds from an abort to the answer, without what the machine takes from another process meanwhile: 99 times of 100,
 * and always.
 */
const [bound, hung] = [50, 2000];
/** Milliseconds of processor time on each core from an abort until a device with nothing else to do is free. */
const freeBound = 100;
/** A call that holds on is late each time, a host that takes a processor away once: so often come late ones again. */
const turns = aborts.deep ? 0 : 3;
/** One in so many may be late, and of fewer one. */
const allowed = (count: number): number => Math.max(1, Math.floor(count / 100));

const folder = new Folder();
const device = Device.open('cpu');
const families = abortable(device, folder);
const calls = families.flatMap((family) =>
  Object.entries(family.calls).map(([name, call]) => [name, call, family] as const),
);
const [factor, product] = [Tensor.zeros(device, [700, 700]), Tensor.zeros(device, [700, 700])];
let machine: Machine;
beforeAll(async () => {
  for (const family of families) await family.prepare();
  machine = await Machine.start();
});
afterAll(async () => {
  machine?.[Symbol.dispose]();
  await device.close();
  folder[Symbol.dispose]();
});

const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');

/** All that an aborted call of a family must leave as it was, beside the tensors that live. */
async function everything({ inputs }: Abortable): Promise<unknown> {
  const contents: unknown[] = [];
  for (const tensor of inputs) contents.push(digest(new Uint8Array((await tensor.read()).buffer)));
  for (const name of folder.names.filter((one) => lstatSync(folder.file(one)).isFile()))
    contents.push([name, digest(readFileSync(folder.file(name)))]);
  return contents;
}
const openFiles = (): number => readdirSync('/proc/self/fd').length;

interface Aborted {
  seed: number;
  /** When it was aborted, when the answer came and when the device was free. */
  abort: number;
  answer: number;
  free: number;
  /** Milliseconds of processor time in between, of all threads; undefined where the device had other work. */
  used: number | undefined;
}

/** Undefined where the call ended before it could be aborted. */
async function abortOnce(call: Call, within: number, seed: number): Promise<Aborted | undefined> {
  const random = uniform(seed);
  // Half of them wait for the device.
  const waits = random() < 0.5;
  if (waits) for (let i = 0; i < 10; i++) ops.gemm(device, { a: factor, b: factor, c: product });
  const controller = new AbortController();
  let abort = 0;
  let used = workTime();
  const giveUp = () => {
    abort = clock();
    used = workTime();
    controller.abort();
  };
  const ended = call(controller.signal).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  // A short call may end before any timer: without time, it is aborted as soon as it has begun.
  const timer = within > 0 ? setTimeout(giveUp, within * random()) : undefined;
  if (within === 0) giveUp();
  const error = await ended;
  const answer = clock();
  clearTimeout(timer);
  if (error === undefined) return undefined;
  expect(error).toMatchObject({ name: 'AbortError' });
  expect(abort).toBeGreaterThan(0);
  await device.synchronize();
  return { seed, abort, answer, free: clock(), used: waits ? undefined : workTime() - used };
}

/** The time that each of these took beyond what the machine lost, latest first. */
async function beyond(
  list: readonly Aborted[],
  end: (one: Aborted) => number,
): Promise<{ ms: number; seed: number }[]> {
  const lost = await machine.lostIn(list.map((one) => [one.abort, end(one)] as const));
  const all = list.map((one, i) => ({ ms: end(one) - one.abort - lost[i]!, seed: one.seed }));
  return all.sort((a, b) => b.ms - a.ms);
}

describe('R18: a call that is aborted at a random time', aborts.tagged, () => {
  let total = 0;
  const allLate: string[] = [];

  it.each(calls)(
    '%s rejects with the AbortError, and nothing has changed',
    async (name, call, family) => {
      const start = clock();
      machine.forget(start);
      await call(new AbortController().signal);
      const whole = clock() - start;
      await family.prepare();
      const before = await everything(family);
      const { live } = await settledMemory(device);
      const filesBefore = openFiles();

      const aborted: Aborted[] = [];
      let ended = 0;
      const abort = async (seed: number): Promise<Aborted> => {
        // One that came too late comes earlier the next time, in the end at once.
        for (let within = 0.8 * whole; ; within = within < 1 ? 0 : within / 2) {
          const one = await abortOnce(call, within, seed);
          if (one) return one;
          ended++;
          expect(within, `${name} ends before it can be aborted, seed ${seed}`).toBeGreaterThan(0);
        }
      };
      await aborts.each(async (seed) => void aborted.push(await abort(seed)));
      const answers = await beyond(aborted, (one) => one.answer);
      let late = answers.filter(({ ms }) => ms > bound);
      for (let turn = 0; turn < turns && late.length > 0; turn++) {
        const again: Aborted[] = [];
        for (const { seed } of late) again.push(await abort(seed));
        late = (await beyond(again, (one) => one.answer)).filter(({ ms }) => ms > bound);
      }
      const worst = (list: { ms: number; seed: number }[]) => list.map(({ ms, seed }) => `${ms.toFixed(1)} ms, seed ${seed}`).join('\n'); // biome-ignore format: one line
      // The machine may get faster, not so much each time.
      expect(ended, 'calls ended before their abort').toBeLessThanOrEqual(4 * aborts.count);
      expect(answers[0]?.ms ?? 0, worst(late)).toBeLessThan(hung);
      expect(late.length, worst(late)).toBeLessThanOrEqual(allowed(aborted.length));
      total += aborted.length;
      allLate.push(...late.map(({ ms, seed }) => `${name}: ${ms.toFixed(1)} ms, seed ${seed}`));

      const busy = aborted.filter(({ used }) => used !== undefined && used > freeBound * os.availableParallelism());
      expect(busy.map(({ seed, used }) => `the device is busy for ${used} ms, seed ${seed}`)).toEqual([]);
      expect((await beyond(aborted, (one) => one.free))[0]?.ms ?? 0).toBeLessThan(hung);

      expect(await everything(family)).toEqual(before);
      expect(device.info.memory.live).toBe(live);
      for (let i = 0; i < 500 && openFiles() > filesBefore; i++) await sleep(10);
      expect(openFiles()).toBeLessThanOrEqual(filesBefore);
    },
    aborts.limit(120_000),
  );

  it('answers 99 times of 100 within 50 ms', () => {
    expect(total).toBeGreaterThan(0);
    expect(allLate.length, `of ${total}: ${allLate.join('; ')}`).toBeLessThanOrEqual(allowed(total));
  });
});
