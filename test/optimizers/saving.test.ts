// Devices: cpu
// The memory of a save, and what one that fails leaves behind.
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { saveState } from '../../lib/files/state.ts';
import { AdamW, combine, Device, readTensorInfo, type Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { everything } from './checkpoints.ts';
import { type AnyOptimizer, gradsOf, stateBits, weightsOf } from './classes.ts';
import { code } from './each-class.ts';

const device = Device.open('cpu', { threads: 2 });
afterAll(() => device.close());

describe('saving', () => {
  const shapes = [[40, 50], [6]];
  const make = (options = {}): [Tensor[], AdamW] => {
    const weights = weightsOf(device, shapes);
    return [weights, new AdamW(weights, { lr: 0.02, ...options })];
  };

  it('takes the state of the moment of the call', async () => {
    using folder = new Folder();
    const [, optimizer] = make();
    for (let at = 0; at < 3; ++at) optimizer.step(gradsOf(device, shapes, at));
    const reading = stateBits(optimizer as unknown as AnyOptimizer);
    const saving = optimizer.save(folder.file('x'));
    optimizer.groups[0]!.lr = 0.9;
    for (let at = 3; at < 20; ++at) optimizer.step(gradsOf(device, shapes, at));
    const expected = await reading;
    await saving;
    const [, other] = make();
    await other.load(folder.file('x'));
    expect(await stateBits(other as unknown as AnyOptimizer)).toEqual(expected);
    expect(other.groups[0]?.lr).toBe(0.02);
    expect((await other.report()).step).toBe(3);
    optimizer.dispose();
  });

  it('refuses numbers that load would not read, and writes nothing', async () => {
    using folder = new Folder();
    const lengths = Array.from({ length: 1 << 19 }, () => 10);
    const state = { of: 'Thing', schema: { lengths: { default: [], wrong: () => undefined } }, tensors: {} };
    await expect(
      saveState(folder.file('x'), 'Thing.save', { ...state, numbers: { lengths } }, {}),
    ).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: 'Thing.save: the state of Thing must have numbers of at most 1048576 characters, got 1572877',
    });
    expect(folder.names).toEqual([]);
  });

  it('holds the state even when the optimizer is disposed at once', async () => {
    using folder = new Folder();
    const [, optimizer] = make();
    optimizer.step(gradsOf(device, shapes, 1));
    const saving = optimizer.save(folder.file('x'));
    optimizer.dispose();
    await saving;
    expect((await readTensorInfo(folder.file('x'))).tensors.size).toBe(6);
  });

  it('fits another policy of gradients that are not finite', async () => {
    using folder = new Folder();
    for (const [from, to, skipped] of [
      ['propagate', 'skip', 0],
      ['skip', 'propagate', 0],
      ['throw', 'skip', 0],
      ['skip', 'skip', 1],
    ] as const) {
      const [, optimizer] = make({ nonFinite: from });
      optimizer.step(gradsOf(device, shapes, 1));
      if (from === 'skip') optimizer.step(gradsOf(device, shapes, 2, Infinity));
      await optimizer.save(folder.file('x'));
      const [, other] = make({ nonFinite: to });
      if (to === 'skip') other.step(gradsOf(device, shapes, 2, Infinity));
      await other.load(folder.file('x'));
      const state = (of: AdamW): Promise<Record<string, string>> => stateBits(of as unknown as AnyOptimizer);
      const { skipped: _, ...own } = await state(optimizer);
      expect(await state(other)).toMatchObject(own);
      expect((await other.report()).skipped).toBe(skipped);
      const combination = combine([{ optimizer: AdamW, params: weightsOf(device, shapes) }], { nonFinite: from });
      await combination.save(folder.file('y'));
      await combine([{ optimizer: AdamW, params: weightsOf(device, shapes) }], { nonFinite: to }).load(
        folder.file('y'),
      );
    }
  });

  it('keeps the texts of the caller', async () => {
    using folder = new Folder();
    const [, optimizer] = make();
    const metadata = JSON.parse('{"a":"","𝛻":"line\\nbreak","__proto__":"p","toString":"t"}');
    await optimizer.save(folder.file('x'), { metadata });
    const result = await optimizer.load(folder.file('x'));
    expect(Object.entries(result.metadata).sort()).toEqual(Object.entries(metadata).sort());
  });

  it('refuses scalars that could not be loaded', async () => {
    using folder = new Folder();
    const [, optimizer] = make();
    optimizer.groups[0]!.lr = Number.NaN;
    await expect(optimizer.save(folder.file('x'))).rejects.toThrow(code('ERR_ARGUMENT'));
    expect(folder.names).toEqual([]);
  });

  it('fails with the device, and leaves the old file', async () => {
    using folder = new Folder();
    const own = Device.open('cpu', { threads: 1 });
    const optimizer = new AdamW(weightsOf(own, shapes), { nonFinite: 'throw' });
    await optimizer.save(folder.file('x'));
    const old = readFileSync(folder.file('x'));
    optimizer.step(gradsOf(own, shapes, 1, Infinity));
    await expect(optimizer.save(folder.file('x'))).rejects.toThrow(code('ERR_ARGUMENT'));
    expect(readFileSync(folder.file('x')).equals(old)).toBe(true);
    expect(folder.names).toEqual(['x']);
    await optimizer.save(folder.file('x'));
    await own.close();
    await expect(optimizer.save(folder.file('x'))).rejects.toThrow(code('ERR_DISPOSED'));
    await expect(optimizer.load(folder.file('x'))).rejects.toThrow(code('ERR_DISPOSED'));
  });

  it('and loading can be aborted, with nothing changed', async () => {
    using folder = new Folder();
    const [weights, optimizer] = make();
    optimizer.step(gradsOf(device, shapes, 1));
    await optimizer.save(folder.file('x'));
    optimizer.step(gradsOf(device, shapes, 2));
    const old = readFileSync(folder.file('x'));
    const before = await everything(optimizer as unknown as AnyOptimizer, weights);
    const reason = new Error('enough');
    for (const signal of [AbortSignal.abort(reason)]) {
      await expect(optimizer.save(folder.file('x'), { signal })).rejects.toBe(reason);
      await expect(optimizer.load(folder.file('x'), { signal })).rejects.toBe(reason);
    }
    for (const method of ['save', 'load'] as const) {
      const controller = new AbortController();
      let heard = 0;
      const onProgress = (): void => {
        if (++heard === 2) controller.abort(reason);
      };
      await expect(optimizer[method](folder.file('x'), { signal: controller.signal, onProgress })).rejects.toBe(reason);
      expect(heard).toBeGreaterThan(1);
    }
    expect(readFileSync(folder.file('x')).equals(old)).toBe(true);
    expect(folder.names).toEqual(['x']);
    expect(await everything(optimizer as unknown as AnyOptimizer, weights)).toEqual(before);
  });

  it('tells how far it is', async () => {
    using folder = new Folder();
    const [, optimizer] = make();
    for (const method of ['save', 'load'] as const) {
      const heard: { done: number; total: number }[] = [];
      await optimizer[method](folder.file('x'), { onProgress: (progress) => heard.push(progress) });
      expect(heard.at(-1)).toEqual({ done: optimizer.stateBytes, total: optimizer.stateBytes });
    }
  });
});
