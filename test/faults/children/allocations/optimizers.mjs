// Every optimizer: a step, saving, loading, making one.
import path from 'node:path';
import { bitsOf, data } from './bits.mjs';

const shapes = [
  [5, 7],
  [7, 5],
];

export async function checkOptimizers({ checker, device, folder, library }) {
  const { Tensor } = library;
  const classes = Object.entries(library).filter(
    ([, value]) => typeof value === 'function' && value.prototype instanceof library.Optimizer,
  );
  const makers = classes.map(([name, Class]) => [name, (weights) => new Class(weights)]);
  // Pieces that are copied for a step.
  makers.push([
    'Muon of pieces',
    ([first, second]) =>
      new library.Muon([
        { params: [first], split: { axis: 1, sizes: [3, 4] } },
        { params: [second], layout: 'in_out' },
      ]),
  ]);
  // A later part that cannot begin: what an earlier one has copied is given back.
  makers.push([
    'combine of pieces',
    ([first, second]) =>
      library.combine([
        { optimizer: library.Muon, params: [first], layout: 'in_out' },
        { optimizer: library.Muon, params: [second], layout: 'in_out' },
      ]),
  ]);
  for (const [name, make] of makers) {
    const weights = shapes.map((s, i) => Tensor.from(device, data(s, i), s));
    const grads = shapes.map((s, i) => Tensor.from(device, data(s, 10 + i), s));
    const optimizer = make(weights);
    optimizer.step(grads);
    const start = path.join(folder, 'start');
    const saved = path.join(folder, 'saved');
    await optimizer.save(start);
    const first = await bitsOf(weights);
    const initial = await Promise.all(weights.map((w) => w.read()));
    const parts = optimizer.parts ?? [optimizer];
    const state = () => bitsOf(parts.flatMap((part) => Object.values(part.part().tensors)));
    const reset = async () => {
      await optimizer.load(start);
      for (const [i, w] of weights.entries()) w.write(initial[i]);
    };
    await checker.check({
      name: `${name}.step`,
      reset,
      call: () => optimizer.step(grads),
      results: async () => [...(await bitsOf(weights)), ...(await state())],
      inputs: () => bitsOf(grads),
    });
    await reset();
    await checker.check({
      name: `${name}.save`,
      reset: () => {},
      call: () => optimizer.save(saved),
      results: async () => [...(await bitsOf(weights)), ...(await state())],
      inputs: async () => [...(await bitsOf(weights)), ...(await state()), String(first)],
    });
    await checker.check({
      name: `${name}.load`,
      reset: () => {},
      call: () => optimizer.load(start),
      results: state,
      inputs: async () => [...(await bitsOf(weights)), ...(await state())],
    });
    await checker.check({
      name: `new ${name}`,
      reset: () => {},
      call: () => make(weights).dispose(),
      results: () => bitsOf(weights),
      inputs: () => bitsOf(weights),
    });
    optimizer.dispose();
    for (const tensor of [...weights, ...grads]) tensor.dispose();
  }
}
