// Layers of packed codes, and what trains them by losses alone.
import path from 'node:path';
import { data } from './bits.mjs';
import { checkCalls } from './calls.mjs';

export async function checkQuantized({ checker, device, folder, library }) {
  const { Tensor, ops } = library;
  const { CodebookLinear, QuantLinear, QZO, ZoodipOptimizer } = await import(
    path.join(folder, 'lib', 'quantized', 'index.js')
  );
  const tensor = (shape, seed) => Tensor.from(device, data(shape, seed), shape);
  const [weight, x] = [tensor([5, 33], 41), tensor([6, 33], 42)];
  const bias = Tensor.from(device, data([5, 1], 43), [5]);
  const group = QuantLinear.quantize(weight, { group: 11, bias });
  const books = await CodebookLinear.compress(weight, { codes: 4, groups: 2, bias });
  const codebooks = () => CodebookLinear.compress(weight, { codes: 4, groups: 2, bias });
  /** The result of a call of a thing that is gone then. */
  const of = (make, call) => async () => {
    const made = await make();
    try {
      return await call(made);
    } finally {
      made.dispose();
    }
  };
  const sum = new Tensor(device, [1], 'f64');
  /** The sum of squares. */
  const loss = (at) => {
    ops.dots(device, { x: [at], y: [at], out: sum });
    return sum;
  };
  const trained = (make, step) => async () => {
    const one = x.copy();
    let optimizer;
    try {
      optimizer = make(one);
      await step(optimizer);
      return one;
    } catch (error) {
      one.dispose();
      throw error;
    } finally {
      optimizer?.dispose();
    }
  };
  const calls = {
    'QuantLinear.quantize': () => QuantLinear.quantize(weight, { group: 11, bias }),
    'QuantLinear.from': () => QuantLinear.from({ codes: group.codes, scales: group.scales, inputs: 33, bits: 4, bias }),
    'QuantLinear.apply': () => group.apply(x),
    'QuantLinear.dequantize': () => group.dequantize(),
    'QuantLinear.checkFinite': () => group.checkFinite(),
    'CodebookLinear.compress': codebooks,
    'CodebookLinear.apply': () => books.apply(x),
    'CodebookLinear.codeCounts': () => books.codeCounts(),
    'CodebookLinear.refine': of(codebooks, (layer) => layer.refine(x, { steps: 2 })),
    'QZO.step': trained(
      (scales) => new QZO([scales], { lr: 0.1 }),
      (qzo) => qzo.step(([scales]) => loss(scales), 1),
    ),
    'ZoodipOptimizer.step': trained(
      (at) => new ZoodipOptimizer(at, { history: 3 }),
      (zoodip) => zoodip.step(loss, 1),
    ),
  };
  const inputs = [weight, x, bias, group.codes, group.scales, books.codes, books.codebooks];
  await checkCalls({ checker, library }, calls, inputs);
  for (const one of [group, books, weight, x, bias, sum]) one.dispose();
}
