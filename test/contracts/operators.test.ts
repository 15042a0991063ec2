// Devices: cpu
// The contract of linear operators: both ways belong to one map, and neither changes what it is given. The classes are
// those of the library that say they are operators; each is made here.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Lane } from '../../lib/core/lane.ts';
import type { LinearOperator } from '../../lib/core/operator.ts';
import { type Device, Tensor } from '../../lib/index.ts';
import { checkAdjoint } from '../../lib/solvers/index.ts';
import { PlanHessian } from '../../lib/transport/pullback/plan-hessian.ts';
import { storedProduct } from '../../lib/transport/pullback/plan-product.ts';
import { Stage } from './call.ts';

const lib = path.join(import.meta.dirname, '..', '..', 'lib');
const found = readdirSync(lib, { recursive: true, encoding: 'utf8' }).flatMap((file) => {
  const text = file.endsWith('.ts') ? readFileSync(path.join(lib, file), 'utf8') : '';
  return [...text.matchAll(/^export class (\w+)[^{]* implements [^{]*\bLinearOperator\b/gm)].map(([, name]) => name!);
});

/** Of a plan of three rows and two columns. */
function hessian(device: Device): PlanHessian {
  const lane = new Lane(device, undefined);
  const plan = Tensor.from(device, Float64Array.of(0.1, 0.2, 0.3, 0.1, 0.1, 0.2), [3, 2]);
  const diagonal = { rows: Float64Array.of(0.3, 0.4, 0.3), columns: Float64Array.of(0.5, 0.5) };
  return new PlanHessian(device, storedProduct(lane.queue, plan), diagonal, {
    ...{ tol: 1e-9, maxIterations: 10, precision: 0, parts: undefined, lane, signal: undefined },
  });
}

const makers: Record<string, (device: Device) => LinearOperator> = { PlanHessian: hessian };

it('every class of operators is made here', () => expect(Object.keys(makers).sort()).toEqual(found.sort()));

it.each(Object.entries(makers))('%s has an adjoint that is one, or is its own', async (_, make) => {
  await using stage = new Stage();
  const operator = make(stage.device);
  const { device, dtype, shape } = operator;
  const apply = (x: Tensor, out: Tensor) => operator.apply(x, out);
  const adjoint = operator.adjoint ? (x: Tensor, out: Tensor) => operator.adjoint!(x, out) : apply;
  expect(await checkAdjoint({ device, dtype, shape, apply, adjoint })).toBeLessThan(1e-14);
  // One way that is another map's is found out.
  const twisted = async (x: Tensor, out: Tensor): Promise<void> => {
    await adjoint(x, out);
    out.write(Float64Array.from(await out.read(), (value, i) => value * (1 + i)));
  };
  expect(await checkAdjoint({ device, dtype, shape, apply, adjoint: twisted })).toBeGreaterThan(1e-3);
  const x = Tensor.from(
    device,
    Float64Array.from({ length: shape[1] }, (_, i) => 1 + i),
    [shape[1]],
  );
  const out = Tensor.zeros(device, [shape[0]], { dtype: 'f64' });
  const before = await x.read();
  await operator.apply(x, out);
  expect(await x.read()).toEqual(before);
});
