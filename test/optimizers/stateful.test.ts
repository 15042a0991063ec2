// Devices: cpu
// The contract of everything that keeps state: `save`, `load`, `stateBytes`, `dispose`. The classes are found in the library;
// one that is no optimizer needs a way to be made here.
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import * as library from '../../lib/index.ts';
import { type CombinedOptimizer, combine, Device, Optimizer, type Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { type AnyOptimizer, bits, classes, fullState, gradsOf, stateBits, weightsOf } from './classes.ts';
import { code } from './each-class.ts';

const device = Device.open('cpu', { threads: 2 });
afterAll(() => device.close());
const shapes = [
  [5, 7],
  [4, 4],
];

interface Stateful {
  readonly stateBytes: number;
  step(grads: readonly Tensor[]): void;
  save(path: string): Promise<void>;
  load(path: string): Promise<unknown>;
  dispose(): void;
}
type Maker = (weights: Tensor[]) => Stateful;

const isStateful = (value: unknown): boolean =>
  typeof value === 'function' &&
  ['save', 'load', 'dispose'].every((name) => typeof value.prototype?.[name] === 'function') &&
  Object.values(library).every((other) => typeof other !== 'function' || !(other.prototype instanceof value));
const found = Object.entries(library as Record<string, unknown>).flatMap(([name, value]) =>
  isStateful(value) ? [name] : [],
);

const makers: Record<string, Maker> = {
  CombinedOptimizer: (weights) =>
    combine([
      { optimizer: library.Muon, params: weights.slice(0, 1) },
      { optimizer: library.AdamW, params: weights.slice(1) },
    ]),
};
for (const [name, Class] of classes) makers[name] = (weights) => new Class(weights, { ...fullState[name] });

const partsOf = (one: Stateful): AnyOptimizer[] =>
  one instanceof Optimizer ? [one as AnyOptimizer] : ([...(one as CombinedOptimizer).parts] as AnyOptimizer[]);
const stateOf = async (one: Stateful): Promise<unknown> => Promise.all(partsOf(one).map(stateBits));

it('every class that saves and loads is asked', () => {
  expect(found).toEqual(expect.arrayContaining(classes.map(([name]) => name)));
  expect(Object.keys(makers)).toEqual(expect.arrayContaining(found));
});

describe.each(Object.entries(makers))('%s', (name, make) => {
  const run = (one: Stateful, steps: number[]): void => {
    for (const step of steps) one.step(gradsOf(device, shapes, step));
  };

  it('counts the bytes of its state, which are none once it is disposed', () => {
    const one = make(weightsOf(device, shapes));
    const tensors = partsOf(one).flatMap((part) => Object.values(part.part().tensors));
    expect(one.stateBytes).toBe(tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0));
    expect(one.stateBytes).toBeGreaterThan(0);
    one.dispose();
    one.dispose();
    expect(one.stateBytes).toBe(0);
    for (const tensor of tensors) expect(tensor.disposed).toBe(true);
  });

  it('goes on from a file as if it had never stopped, and not as from a cold start', async () => {
    using folder = new Folder();
    const weights = weightsOf(device, shapes);
    const one = make(weights);
    run(one, [1, 2]);
    const copies = weights.map((w) => w.copy());
    const cold = make(weights.map((w) => w.copy()));
    await one.save(folder.file('state'));
    const resumed = make(copies);
    await resumed.load(folder.file('state'));
    expect(await stateOf(resumed)).toEqual(await stateOf(one));
    await resumed.save(folder.file('again'));
    expect(readFileSync(folder.file('again'))).toEqual(readFileSync(folder.file('state')));
    for (const each of [one, resumed, cold]) run(each, [3, 4]);
    expect(await bits(copies)).toEqual(await bits(weights));
    expect(await stateOf(cold)).not.toEqual(await stateOf(one));
  });

  it('refuses a file of another class, and is what it was', async () => {
    using folder = new Folder();
    const [other] = Object.entries(makers).filter(([label]) => label !== name)[0]!;
    await makers[other]!(weightsOf(device, shapes)).save(folder.file('other'));
    const one = make(weightsOf(device, shapes));
    run(one, [1]);
    const before = await stateOf(one);
    await expect(one.load(folder.file('other'))).rejects.toEqual(code('ERR_STATE'));
    expect(await stateOf(one)).toEqual(before);
  });

  it('neither saves nor loads nor steps once it is disposed', async () => {
    using folder = new Folder();
    const one = make(weightsOf(device, shapes));
    await one.save(folder.file('state'));
    one.dispose();
    await expect(one.save(folder.file('state'))).rejects.toEqual(code('ERR_DISPOSED'));
    await expect(one.load(folder.file('state'))).rejects.toEqual(code('ERR_DISPOSED'));
    expect(() => run(one, [1])).toThrow(code('ERR_DISPOSED') as never);
  });
});
