// Tables of orthokit_bench's cases by both floors: of the bytes that must move, and of the arithmetic, in which an exponential
// counts as 20 flops.
import { number, table } from './table.mjs';
import { median } from './turns.mjs';

/** Lines of all turns by operation, case, threads and instruction set, with the median of their figures. */
function casesOf(measured) {
  const all = new Map();
  for (const line of measured.sections.bench?.lines ?? []) {
    const key = [line.op, line.case, line.threads, line.isa].join(' ');
    all.set(key, [...(all.get(key) ?? []), line]);
  }
  return [...all.values()].map((lines) => ({
    ...lines[0],
    ms: median(lines.map((line) => line.median_ms)),
    floor: median(lines.map((line) => line.ratio_to_floor)),
    // Bounds by bytes and by arithmetic alone: ceiling ÷ rate.
    bytes: median(lines.map((line) => (line.gbps ? line.ceiling.gbps / line.gbps : Number.NaN))),
    arithmetic: median(lines.map((line) => (line.gflops ? line.ceiling.gflops / line.gflops : Number.NaN))),
  }));
}

const isWidest = (measured, line) => line.isa === measured.sections.bench.lines[0].isa;
const matcher = (measured) => {
  const cases = casesOf(measured).filter((line) => isWidest(measured, line));
  return (op, ...words) =>
    cases.find(
      (line) =>
        line.op === op &&
        words.every((word) => (word.startsWith('!') ? !line.case.includes(word.slice(1)) : line.case.includes(word))),
    );
};

/** A ratio below 1 says that the ceiling was measured too low, not that the machine was beaten. */
export function verdict(ratio, target) {
  if (ratio < 0.97) return 'ceiling too low';
  return ratio <= target ? 'met' : 'falls short';
}
const row = (name, line, target) => [
  name,
  number(line.ms),
  number(line.bytes),
  number(line.arithmetic),
  target ?? '',
  target ? verdict(line.floor, target) : '',
];
const heads = ['case', 'ms', 'of bytes', 'of arithmetic', 'target', ''];

/** Full products of a square matrix: five steps of three products of 2 n³ flops. */
const plainFlops = 144 * 5 * 3 * 2 * 64 ** 3;

export function steps(measured) {
  const find = matcher(measured);
  const list = (op, name, target, ...words) => [
    row(`${name}, 29.5 M parameters in 148 tensors`, find(op, '20480x384', ...words), target),
    row(`${name}, 4096×1024`, find(op, 'weights=f32[4096x1024]', ...words), target),
    row(`${name}, 1024×1024`, find(op, 'weights=f32[1024x1024]', ...words), target),
  ];
  const small = find('newton_schulz', '144x64x64');
  const plain = (small.ms * 1e-3 * small.ceiling.gflops * 1e9) / plainFlops;
  const square = find('newton_schulz', 'x=f32[1024x1024]', '!dtype=bf16');
  const two = casesOf(measured).find((line) => line.op === 'newton_schulz' && line.threads === 2);
  const [head, sgd] = [find('auon', '20480x384', 'variant=head'), find('sgd', '20480x384')];
  return table(heads, [
    row('symmetric product 1024×1024', find('symmetric_product', 'a=f32[1024x1024]'), 1.1),
    row('symmetric product 384×1536', find('symmetric_product', 'a=f32[384x1536]'), 1.1),
    row('symmetric product 256×784', find('symmetric_product', 'a=f32[256x784]'), 1.1),
    row('symmetric product 64×784', find('symmetric_product', 'a=f32[64x784]')),
    row('Newton–Schulz 1024×1024', square, 1.1),
    row('the same on two threads, on the wall', two, 1.15),
    row('Newton–Schulz, 144 of 64×64, by half the products', small),
    ['the same by plain products', number(small.ms), '', number(plain), 1.2, verdict(plain, 1.2)],
    ...list('sgd', 'SGD with momentum', 1.1),
    ...list('adamw', 'AdamW', 1.1),
    ...list('auon', 'AuON `head`', 1.1, 'variant=head'),
    [
      'AuON `head`, 148 tensors, by SGD',
      '',
      '',
      number(head.ms / sgd.ms),
      1.05,
      head.ms / sgd.ms <= 1.05 ? 'met' : 'falls short',
    ],
    ...list('auon', 'AuON `paper`', 1.12, '!variant'),
  ]);
}

const large = [
  ['GELU, form erf', 'gelu', 'f32[8192x1024]', '!form'],
  ['GELU, form tanh', 'gelu', 'f32[8192x1024]', 'form=tanh'],
  ['GELU backward, erf', 'gelu_backward', 'f32[8192x1024]', '!form'],
  ['GELU backward, tanh', 'gelu_backward', 'f32[8192x1024]', 'form=tanh'],
  ['softmax by rows', 'row_softmax', 'f32[8192x1024]'],
  ['cross-entropy', 'softmax_cross_entropy', 'f32[8192x1024]'],
  ['its gradient', 'softmax_cross_entropy_backward', 'f32[8192x1024]'],
  ['logarithm of a sum of exponentials', 'row_logsumexp', 'f32[8192x1024]'],
  ...['exp', 'tanh', 'log', 'softplus'].map((name) => [`map: ${name}`, 'map', 'f32[8192x1024]', `function=${name}`]),
  ['map: power 3', 'map', 'function=power', 'parameters=3'],
  ['map: power 1.7', 'map', 'function=power', 'parameters=1.7'],
  ['gather rows', 'gather_rows', 'index=i32[8192]'],
  ['scatter rows, set', 'scatter_rows', 'index=i32[8192]', 'mode=set'],
  ['scatter rows, add', 'scatter_rows', 'index=i32[8192]', '!mode'],
  ['random, normal', 'random', 'f32[8192x1024]', 'distribution=normal'],
  ['random, uniform', 'random', 'f32[8192x1024]', '!distribution'],
  ['transpose 4096×4096', 'transpose', 'x=f32[4096x4096]'],
  ['transpose 4096×4096, bf16', 'transpose', 'x=bf16[4096x4096]'],
  ['transpose of 64 matrices 512×512', 'transpose', '64x512x512'],
  ['columns: sum', 'column_reduce', 'f32[8192x1024]', '!reduction'],
  ['columns: maximum', 'column_reduce', 'reduction=max'],
  ['columns: squares', 'column_reduce', 'reduction=sum_of_squares'],
  ['columns: sum, 64×1024', 'column_reduce', 'x=f32[64x1024]'],
  ['segment_reduce, one list', 'segment_reduce', 'x=f32[8192x1024]', '!y='],
  ['segment_reduce, two lists', 'segment_reduce', 'y=f32[8192x1024]'],
  ['segment_reduce, 64×1024', 'segment_reduce', 'x=f32[64x1024]'],
  ['layer norm', 'layer_norm', 'x=f32[8192x1024]'],
  ['layer norm backward', 'layer_norm_backward', 'x=f32[8192x1024]'],
  ['layer norm backward, 64×1024', 'layer_norm_backward', 'x=f32[64x1024]'],
];

export function operations(measured) {
  const find = matcher(measured);
  return table(
    heads,
    large.map(([name, op, ...words]) => row(name, find(op, ...words), 1.3)),
  );
}

const transportOps = [
  'log_sweeps',
  'plan_sums',
  'gibbs_kernel',
  'scaling_sweeps',
  'semidual',
  'cost_range',
  'batch_sweeps',
  'plan_sparsify',
  'softmin',
];
/** The first field, which has the sizes. */
const shapeOf = (line) => line.case.split(' ')[0].split('=')[1];

export function transportFloors(measured) {
  const [widest, narrow] = [true, false].map((wide) =>
    casesOf(measured).filter((line) => isWidest(measured, line) === wide),
  );
  const cell = (line) => (line ? [number(line.ms), number(line.bytes), number(line.arithmetic)].join(' · ') : '');
  const rows = widest
    .filter((line) => transportOps.includes(line.op) && line.threads === 1)
    .map((line) => [
      `\`${line.op}\` ${shapeOf(line)}`,
      cell(line),
      cell(narrow.find((other) => other.op === line.op && other.case === line.case)),
      verdict(line.floor, 1.3),
    ]);
  const isas = [widest[0]?.isa, narrow[0]?.isa].map((isa) => `${isa}: ms · of bytes · of arithmetic`);
  return table(['case', ...isas, 'target 1.3'], rows);
}
