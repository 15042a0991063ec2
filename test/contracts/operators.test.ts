// Devices: cpu
// The contract of linear operators: both ways belong to one map, neither changes what it is given, and nothing is left
// behind by numbers that are none or by a product that throws. The operators are those that public functions return, by
// their declared results, and the classes of the library that say they are some; each of these is made here.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Lane } from '../../lib/core/lane.ts';
import type { LinearOperator } from '../../lib/core/operator.ts';
import { type Device, Tensor } from '../../lib/index.ts';
import { checkAdjoint } from '../../lib/solvers/index.ts';
import { PlanHessian } from '../../lib/transport/pullback/plan-hessian.ts';
import { storedProduct } from '../../lib/transport/pullback/plan-product.ts';
import { ready, Stage } from './call.ts';
import { operators } from './returned.ts';
import { bitsIn } from './things.ts';

const lib = path.join(import.meta.dirname, '..', '..', 'lib');
const found = readdirSync(lib, { recursive: true, encoding: 'utf8' }).flatMap((file) => {
  const text = file.endsWith('.ts') ? readFileSync(path.join(lib, file), 'utf8') : '';
  return [...text.matchAll(/^export class (\w+)[^{]* implements [^{]*\bLinearOperator\b/gm)].map(([, name]) => name!);
});

/** The Hessian of a plan of three rows and two columns. */
function hessian(device: Device): PlanHessian {
  const lane = new Lane(device, undefined);
  const plan = Tensor.from(device, Float64Array.of(0.1, 0.2, 0.3, 0.1, 0.1, 0.2), [3, 2]);
  const diagonal = { rows: Float64Array.of(0.3, 0.4, 0.3), columns: Float64Array.of(0.5, 0.5) };
  return new PlanHessian(device, storedProduct(lane.queue, plan), diagonal, {
    ...{ tol: 1e-9, maxIterations: 10, precision: 0, parts: undefined, lane, signal: undefined },
  });
}

interface Made {
  readonly operator: LinearOperator;
  /** The arguments that it was made of. */
  readonly given: unknown;
}
type Maker = (stage: Stage) => Promise<Made>;

const classes: Record<string, (device: Device) => LinearOperator> = { PlanHessian: hessian };
const makers = new Map<string, Maker>();
for (const [name, make] of Object.entries(classes))
  makers.set(name, async ({ device }) => ({ operator: make(device), given: [] }));
for (const name of operators)
  makers.set(name, async (stage) => {
    const { args, options, call } = await ready(name, stage);
    return { operator: (await call()) as LinearOperator, given: [args, options] };
  });

it('every class of operators is made here', () => expect(Object.keys(classes).sort()).toEqual(found.sort()));

const numbers = (device: Device, { dtype }: LinearOperator, list: readonly number[]): Tensor =>
  Tensor.from(device, [...list], [list.length], { dtype });
const counted = (size: number): number[] => Array.from({ length: size }, (_, i) => 1 + (i % 5) / 4);

it.each([...makers])('%s has an adjoint that is one, or is its own', async (_, make) => {
  await using stage = new Stage();
  const { operator } = await make(stage);
  const { device, dtype, shape } = operator;
  const apply = (x: Tensor, out: Tensor) => operator.apply(x, out);
  const adjoint = operator.adjoint ? (x: Tensor, out: Tensor) => operator.adjoint!(x, out) : apply;
  const wrong = await checkAdjoint({ device, dtype, shape, apply, adjoint });
  expect(wrong).toBeLessThan(dtype === 'f64' ? 1e-14 : 1e-6);
  // One way that is another map's is found out.
  const twisted = async (x: Tensor, out: Tensor): Promise<void> => {
    await adjoint(x, out);
    out.write(Array.from(await out.read(), (value, i) => value * (1.5 + i)));
  };
  expect(await checkAdjoint({ device, dtype, shape, apply, adjoint: twisted })).toBeGreaterThan(1e-3);
});

it.each([...makers])('%s changes nothing that it is given, and nothing is left of what fails', async (_, make) => {
  await using stage = new Stage();
  const { operator, given } = await make(stage);
  const { device, shape } = operator;
  const ways = { apply: shape, adjoint: [shape[1], shape[0]] } as const;
  for (const [name, [rows, columns]] of Object.entries(ways) as ['apply' | 'adjoint', readonly [number, number]][]) {
    if (!operator[name]) continue;
    const x = numbers(device, operator, counted(columns));
    const out = numbers(device, operator, new Array<number>(rows).fill(0));
    const before = await bitsIn([given, x]);
    await operator[name](x, out);
    expect(await bitsIn([given, x])).toEqual(before);
    const first = await bitsIn([out]);

    const nan = numbers(device, operator, new Array<number>(columns).fill(NaN));
    await operator[name](nan, out);
    expect(Array.from(await out.read()).some(Number.isNaN)).toBe(true);
    await operator[name](x, out);
    expect(await bitsIn([out])).toEqual(first);

    const gone = numbers(device, operator, counted(rows));
    gone.dispose();
    await expect((async () => operator[name]!(x, gone))()).rejects.toThrow(/disposed/);
    await operator[name](x, out);
    expect(await bitsIn([out])).toEqual(first);
    expect(await bitsIn([given, x])).toEqual(before);
  }
});
