import { type Arg, defineOwn, ruleOf, tensorOf, type Value } from '../../nn/tape/define.ts';

/** @internal x with each column times an element of z: x `[…, n]`, z `[n]`. */
export const scaleColumns: (x: Arg, z: Arg) => Value = defineOwn('scaleColumns', (f, x: Arg, z: Arg) => {
  const out = f.buffer(x.shape, x.dtype);
  const [input, scale] = [tensorOf(x), tensorOf(z)];
  f.ops.scaleAxis({ x: input, scale, out });
  const width = z.shape[0]!;
  return ruleOf(
    f,
    out,
    {
      x: z,
      back: (grad, to, beta) => {
        const terms = f.scratch(x.shape, x.dtype);
        f.ops.multiply({ x: [grad], y: [input], out: [terms] });
        f.ops.columnSum({ x: f.view(terms, [terms.size / width, width]), out: to, beta });
      },
      along: (dz, to, beta) => f.ops.scaleAxis({ x: input, scale: dz, out: to, beta }),
      perSample: (grad, to, samples) => {
        const terms = f.scratch(x.shape, x.dtype);
        f.ops.multiply({ x: [grad], y: [input], out: [terms] });
        f.ops.columnReduce({ x: f.samples(terms, samples), out: to });
      },
      adds: 'both',
    },
    { x, back: (v, to, beta) => f.ops.scaleAxis({ x: v, scale, out: to, beta }), adds: 'both' },
  );
});
