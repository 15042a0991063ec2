// Devices: cpu, cuda
// Values: what each call gives of an operator that does what it should.
import { afterAll, describe, expect, it } from 'vitest';
import { cdmLoss, cdmSolve, pnpAdmm, ritzDataset } from '../../lib/constrained/index.ts';
import {
  directionalSharpness,
  LanczosLrLearner,
  sharpnessProfile,
  stabilityReport,
} from '../../lib/curvature/index.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { blockLanczos, cg, type LinearOperator, lanczos, minres, slq } from '../../lib/solvers/index.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { dense, vector } from './problems.ts';

describe.each(devices)('operators that fail on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const b = vector(device, [1, 2, 3]);
  const itself = (r: Tensor, out: Tensor) => ops.copy(device, { x: [r], out: [out] });
  const good = dense(device, [[4, 1, 0], [1, 3, 1], [0, 1, 2]]); // biome-ignore format: one line
  type Result = Tensor | object | null;
  const calls: Record<string, (operator: LinearOperator) => Promise<Result>> = {
    cg: (operator) => cg(operator, b),
    minres: (operator) => minres(operator, b),
    lanczos: (operator) => lanczos(operator, { steps: 3 }),
    blockLanczos: (operator) => blockLanczos(operator, { block: 2 }),
    slq: (operator) => slq(operator, Math.abs, { probes: 2 }),
    cdmSolve: (operator) => cdmSolve(operator, b, itself),
    cdmLoss: (operator) => cdmLoss(operator, b, b),
    ritzDataset: (operator) => ritzDataset(operator, { vectors: 2, samples: 2 }),
    pnpAdmm: (operator) => pnpAdmm({ operator, y: b, prox: itself }, { iterations: 3 }),
    directionalSharpness: async (operator) => ({ value: await directionalSharpness(operator, b) }),
    sharpnessProfile: (operator) => sharpnessProfile(operator, b),
    stabilityReport: (operator) => stabilityReport({ operator }, { lr: 0.1, probes: 2 }),
    'LanczosLrLearner.observe': (operator) => new LanczosLrLearner({ mode: 'sgd' }).observe(0, operator),
  };
  const adjoint = (y: Tensor, out: Tensor) => good.adjoint!(y, out);
  const with_ = (apply: LinearOperator['apply']): LinearOperator => ({ ...good, apply, adjoint });
  /** Numbers of a result, and its tensors given back. */
  async function numbersOf(result: Result): Promise<unknown> {
    if (result instanceof Tensor) {
      const all = [...(await result.read())];
      result.dispose();
      return all;
    }
    if (result === null || typeof result !== 'object' || ArrayBuffer.isView(result)) return result;
    const entries = Object.entries(result as object).map(async ([key, one]) => [key, await numbersOf(one as Result)]);
    return Object.fromEntries(await Promise.all(entries));
  }

  it.each(Object.keys(calls))('are named by %s, which gives all back and leaves what it was given', async (name) => {
    const call = calls[name]!;
    const expected = await numbersOf(await call(with_((x, out) => good.apply(x, out))));
    const before = await b.read();
    const { live } = await settledMemory(device);
    // One that answers later is as good.
    const later = with_(async (x, out) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await good.apply(x, out);
    });
    expect(await numbersOf(await call(later))).toEqual(expected);
    const thrown = with_(() => {
      throw new Error('no model');
    });
    await expect(call(thrown)).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: `${name}: operator.apply has failed: no model`,
    });
    const rejecting = with_(() => Promise.reject(new Error('no answer')));
    await expect(call(rejecting)).rejects.toThrow('operator.apply has failed: no answer');
    const disposing = with_((x, out) => {
      void good.apply(x, out);
      out.dispose();
    });
    await expect(call(disposing)).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    for (const value of [Number.NaN, Infinity]) {
      const wrong = with_((_, out) => ops.fill(device, { x: [out], value }));
      const end = await call(wrong).then(numbersOf, (error) => error);
      if (Number.isNaN(value)) expect(end).toMatchObject({ code: 'ERR_ARGUMENT' });
      // Infinity is refused, or ends the method; it is in no result.
      else if (!(end instanceof Error)) expect(JSON.stringify(end)).not.toMatch(/null/);
    }
    expect(await b.read()).toEqual(before);
    await device.synchronize();
    expect((await settledMemory(device)).live).toBe(live);
  });
});
