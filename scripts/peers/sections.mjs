// The parts of a sitting, in its order: commands that print lines of JSON, with the turns that each takes.
import path from 'node:path';

export const root = path.join(import.meta.dirname, '..', '..');
const bench = path.join('build', 'cpu', 'orthokit_bench');

const operations = [
  ...['sgd', 'adamw', 'auon', 'newton_schulz', 'symmetric_product', 'gelu', 'gelu_backward', 'row_softmax'],
  ...['softmax_cross_entropy', 'softmax_cross_entropy_backward', 'row_logsumexp', 'map', 'gather_rows', 'scatter_rows'],
  ...['random', 'transpose', 'column_reduce', 'segment_reduce', 'layer_norm', 'layer_norm_backward'],
];
const transport = [
  ...['log_sweeps', 'plan_sums', 'gibbs_kernel', 'scaling_sweeps', 'semidual', 'cost_range', 'batch_sweeps'],
  'plan_sparsify',
];
const products = [
  ['a=f32[256x784]', 'c=f32[256x256]'],
  ['a=f32[384x1536]', 'c=f32[384x384]'],
];
const batches = [
  [256, 20, 30],
  [256, 8, 8],
].map(([p, n, m]) => [
  ...[`cost=f64[${p}x${n}x${m}]`, `rowMass=f64[${p}x${n}]`, `columnMass=f64[${p}x${m}]`],
  ...[`rowPotential=f64[${p}x${n}]`, `columnPotential=f64[${p}x${m}]`, `statistics=f64[${p}x4]`, 'maxSweeps=10'],
]);
const clouds = [8, 16, 32, 64].map((d) => [
  ...[`x=f32[2048x${d}]`, `y=f32[2048x${d}]`, 'potential=f64[2048]', 'logSums=f64[2048]'],
]);
const coefficients = `coefficients=${Array(5).fill('3.4445,-4.775,2.0315').join()}`;

const oneThread = (words, env) => ({ command: [bench, ...words, '--threads', '1'], env });
const onTransport = (env) => [
  ...[
    ...transport,
    ...batches.map((words) => ['batch_sweeps', ...words]),
    ...clouds.map((words) => ['softmin', ...words]),
  ].map((words) => oneThread([words].flat(), env)),
];
const node = (file, ...words) => ({ command: ['node', `scripts/peers/${file}`, ...words] });
const turnsOf = (turns) => ['--turns', `${turns}`];

/** The commands of each section, given the turns asked for; those of orthokit_bench are themselves repeated in turn. */
export const sections = {
  bench: (turns) => {
    const all = [
      ...operations.map((op) => oneThread([op])),
      ...products.map((words) => oneThread(['symmetric_product', ...words])),
      { command: [bench, 'newton_schulz', 'x=f32[1024x1024]', 'out=f32[1024x1024]', coefficients, '--threads', '2'] },
      ...onTransport(),
      ...onTransport({ ORTHOKIT_CPU: 'avx2' }),
    ];
    return Array.from({ length: Math.max(1, turns - 1) }, () => all).flat();
  },
  compare: (turns) => [node('compare.mjs', '--json', ...turnsOf(turns))],
  transport: (turns) => [node('transport.mjs', '--json', ...turnsOf(turns))],
  hard: (turns) => [node('transport.mjs', '--json', '--hard', ...turnsOf(Math.max(1, turns - 1)))],
  growth: () => [node('transport-growth.mjs')],
  points: (turns) => [node('transport-points.mjs', ...turnsOf(turns))],
  pullback: () => [node('transport-pullback.mjs')],
  'sparse-coding': (turns) => [node('sparse-coding.mjs', '--json', ...turnsOf(Math.max(1, turns - 1)))],
  'training-step': () => [node('training-step.mjs')],
  'small-tensors': () => [node('small-tensors.mjs')],
  'queue-cost': () => [node('queue-cost.mjs')],
  demo: () => [{ command: ['node', 'examples/digits/train.mjs'], isText: true }],
};
