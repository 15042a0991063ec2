// Transport by each method, of matrices, points and batches; sparse codes; tables of a vocabulary.
import path from 'node:path';
import { data } from './bits.mjs';
import { checkCalls, disposeAll } from './calls.mjs';

export async function checkSolvers({ checker, device, folder, library }) {
  const { Tensor, Dictionary } = library;
  const positive = (shape, seed) => data(shape, seed).map((x) => 1.5 + x);
  const tensor = (shape, seed, make = data) => Tensor.from(device, make(shape, seed), shape);
  const cost = tensor([12, 9], 1, positive);
  const [x, y, z] = [tensor([11, 3], 2), tensor([8, 3], 3), tensor([40, 3], 4)];
  const costs = tensor([3, 6 * 5], 5, positive).reshape([3, 6, 5]);
  const [atoms, signals] = [tensor([20, 8], 6), tensor([7, 8], 7)];
  const gram = Tensor.zeros(device, [20, 20]);
  library.ops.symmetricProduct(device, { a: atoms, c: gram });
  const correlations = Tensor.zeros(device, [7, 20]);
  library.ops.correlations(device, { x: signals, atoms, out: correlations });
  const sides = await Promise.all(
    ['base', 'donor'].map(async (side) => {
      const own = await library.loadTensors(path.join(folder, side, 'model.safetensors'), device);
      const tokenizer = await library.readTokenizer(path.join(folder, side));
      return { tokenizer, embed: own['model.embed_tokens.weight'] };
    }),
  );
  const inputs = [cost, x, y, z, costs, atoms, signals, gram, correlations, ...sides.map(({ embed }) => embed)];
  const solved = await library.sinkhorn(cost, { eps: 0.1 });
  const batch = await library.transportBatch(costs, { eps: 0.1 });
  const pursue = async (options) => {
    const dictionary = new Dictionary(atoms);
    try {
      return await library.omp(dictionary, signals, options);
    } finally {
      dictionary.dispose();
    }
  };
  // Rounds of a loop ask for the same blocks: some of them go through each place.
  const few = { maxSweeps: 40, maxNewton: 6 };
  const calls = {};
  for (const method of ['auto', 'sinkhorn', 'sns', 'ssns', 'splr', 'lbfgs'])
    calls[`sinkhorn, ${method}`] = () => library.sinkhorn(cost, { method, eps: 0.1, ...few });
  Object.assign(calls, {
    'sinkhorn of points': () => library.sinkhorn({ x, y }, { eps: 0.5 }),
    'sinkhorn of points, streamed': () => library.sinkhorn({ x: z, y }, { eps: 0.5, method: 'sinkhorn', ...few }),
    'sinkhorn, unbalanced': () => library.sinkhorn(cost, { eps: 0.1, unbalanced: { rhoA: 1, rhoB: 1 }, ...few }),
    'result.plan': () => solved.plan(),
    'result.gradient': () => solved.gradient('cost'),
    'result.pullback': () => solved.pullback({ cost: 1 }, ['cost', 'a']),
    transportBatch: () => library.transportBatch(costs, { eps: 0.1 }),
    'batch.plan': () => batch.plan(),
    sinkhornDivergence: () => library.sinkhornDivergence({ x, y }, { eps: 0.5, ...few }),
    barycenter: () =>
      library.barycenter(
        { x: y, y },
        [
          [1, 2, 3, 4, 5, 6, 7, 8],
          [8, 7, 6, 5, 4, 3, 2, 1],
        ],
        { eps: 0.5, maxSweeps: 8 },
      ),
    omp: () => pursue({ k: 4 }),
    'omp, gemm': () => pursue({ k: 4, algorithm: 'gemm' }),
    ompGram: () => library.ompGram(gram, correlations, { k: 4 }),
    transplantTables: () => library.transplantTables(sides[0], sides[1], { k: 3 }),
  });
  await checkCalls({ checker, library }, calls, inputs);
  solved.dispose();
  disposeAll(batch, library);
  for (const one of inputs) one.dispose();
}
