// The tables of the pages, from what a sitting measured.
import path from 'node:path';
import { writeMarked } from '../marked.mjs';
import { operations, steps, transportFloors } from './pages-bench.mjs';
import { root } from './sections.mjs';
import { number, table } from './table.mjs';

const linesOf = (measured, name) => measured.sections[name]?.lines ?? [];

function sitting({ machine }) {
  const { cpu, processors, memory, system, node, compiler, commit, date, turns, loadBefore, minutes } = machine;
  return (
    `${cpu}, a virtual machine with ${processors} processors and ${memory}; ${system}, Node.js ${node}, ${compiler}. ` +
    `Commit ${commit}, ${date}, in ${minutes} minutes by \`node scripts/peers/all.mjs --turns ${turns}\`; ` +
    `the load of the machine before it was ${loadBefore}.`
  );
}

const peerNames = {
  orthokit: 'orthokit',
  torch: 'PyTorch',
  numpy: 'NumPy',
  'tfjs wasm': 'tfjs wasm',
  'tfjs cpu': 'tfjs cpu',
};
const caseNames = {
  ...{ sgd: 'SGD with momentum, 29.4 M in 148', adamw: 'AdamW, the same', auon: 'AuON `head`, the same' },
  ...{
    'newton-schulz': 'Newton–Schulz 1024×1024',
    'layer-norm': 'layer norm 8192×1024',
    gelu: 'GELU',
    softmax: 'softmax',
  },
  ...{ transpose: 'transpose 4096×4096', 'column-sum': 'column sum 8192×1024' },
  'training-step': 'training step 784-256-256-10, batch 128',
};

/** Our milliseconds, and the peers' as multiples, with what the turns were apart. */
function peers(measured) {
  const lines = linesOf(measured, 'compare');
  const raced = Object.keys(peerNames).filter((peer) => lines.some((line) => line.peer === peer && !line.skipped));
  const versions = raced
    .slice(1)
    .map((peer) => `${peerNames[peer]} ${lines.find((line) => line.peer === peer && line.version).version}`);
  const rows = Object.entries(caseNames).map(([name, shown]) => {
    const of = (peer) => lines.find((line) => line.case === name && line.peer === peer);
    const ours = of('orthokit');
    const cell = (peer) => {
      const line = of(peer);
      return !line || line.skipped ? '–' : `${number(line.median_ms / ours.median_ms)}${apart(line, ours)}`;
    };
    return [shown, number(ours.median_ms), ...raced.slice(1).map(cell)];
  });
  return `${table(['case', 'orthokit, ms', ...raced.slice(1).map((peer) => peerNames[peer])], rows)}\n\n${versions.join(', ')}.`;
}

/** The distance by which a ratio moved between turns. */
function apart(line, ours) {
  const ratios = line.turns_ms.map((time, i) => time / ours.turns_ms[i]);
  if (ratios.length < 2) return ' (one turn)';
  return ` (${number(Math.min(...ratios))}–${number(Math.max(...ratios))})`;
}

const kinds = { plane: 'points in the plane', uniform: 'uniform costs' };
const columns = {
  'orthokit auto': '`auto`',
  'orthokit sns': '`sns`',
  'orthokit sinkhorn': '`sinkhorn`',
  'POT sinkhorn': 'POT `sinkhorn`',
  'POT sinkhorn_stabilized': 'POT stabilized',
  'POT sinkhorn_log': 'POT `sinkhorn_log`',
  'SciPy lbfgs': 'SciPy',
};
const solved = (line) => {
  if (!line) return '';
  if (line.skipped)
    return line.reached == null ? `✗ ${line.skipped}` : `✗ ${number(line.spent_ms)}, ${line.reached.toExponential(0)}`;
  return `${number(line.median_ms)}, ${line.reached.toExponential(0)}${line.turns_ms.length === 1 ? ', one run' : ''}`;
};

function transport(measured) {
  const lines = linesOf(measured, 'transport');
  const cases = [...new Set(lines.map(({ kind, n }) => `${kind} ${n}`))].map((words) => words.split(' '));
  const find = (kind, n, peer) =>
    lines.find((line) => line.kind === kind && line.n === Number(n) && line.peer === peer);
  const rows = cases.map(([kind, n]) => [
    `${kinds[kind]}, n = ${n}`,
    ...Object.keys(columns).map((peer) => solved(find(kind, n, peer))),
  ]);
  const targets = { 'plane 500': 14, 'plane 1000': 15, 'plane 2000': 20, 'uniform 500': 60 };
  const judged = cases.flatMap(([kind, n]) => {
    const [ours, pot] = ['orthokit auto', 'POT sinkhorn'].map((peer) => find(kind, n, peer));
    if (!ours || !pot || pot.skipped) return [];
    const ratio = pot.median_ms / ours.median_ms;
    const target = targets[`${kind} ${n}`];
    const verdict = target === undefined ? '' : ratio >= target ? 'met' : 'falls short';
    return [[`${kinds[kind]}, n = ${n}`, number(ratio), target ?? '', verdict]];
  });
  return `${table(['case', ...Object.values(columns)], rows)}\n\nPOT's plain form by \`auto\`:\n\n${table(['case', 'times as long', 'target', ''], judged)}`;
}

const hardNames = {
  'uniform-hard': '500 × 500 uniform costs',
  'ring-sqeuclidean': 'ring and bar of 28 × 28 pixels, squared distance',
  'ring-euclidean': 'distance',
  'ring-l1': 'L1',
};
function hard(measured) {
  const lines = linesOf(measured, 'hard');
  const peers = ['orthokit auto', 'orthokit sns', 'SciPy lbfgs'];
  const cell = (kind, peer) => solved(lines.find((line) => line.kind === kind && line.peer === peer));
  return table(
    ['case', ...peers.map((peer) => columns[peer])],
    Object.entries(hardNames).map(([kind, name]) => [name, ...peers.map((peer) => cell(kind, peer))]),
  );
}

function growth(measured) {
  const lines = linesOf(measured, 'growth');
  const [all, sizes] = ['kind', 'n'].map((key) => [...new Set(lines.map((line) => line[key]))]);
  const cell = (kind, n) => {
    const line = lines.find((other) => other.kind === kind && other.n === n);
    return line
      ? `${number(line.cpu_ms)} · ${line.peak_mib}${line.status === 'converged' ? '' : ` ${line.status}`}`
      : '';
  };
  return table(
    ['n', ...all],
    sizes.map((n) => [n, ...all.map((kind) => cell(kind, n))]),
  );
}

function points(measured) {
  const lines = linesOf(measured, 'points');
  const shown = {
    orthokit: 'orthokit',
    pot: '`sinkhorn_log`, matrix included',
    numpy: 'blocks of 256 rows',
    torch: 'the same',
  };
  return table(
    lines.map((line) => [line.version, shown[line.peer]].filter(Boolean).join(', ')),
    [lines.map((line) => (line.skipped ? `✗ ${line.skipped}` : number(line.median_ms)))],
  );
}

function pullback(measured) {
  const lines = linesOf(measured, 'pullback');
  const [names, sizes] = ['name', 'n'].map((key) => [...new Set(lines.map((line) => line[key]))]);
  const cell = (name, n) => {
    const line = lines.find((other) => other.name === name && other.n === n);
    return `${number(line.solution_ms)} · ${number(line.pullback_ms)}`;
  };
  return table(
    ['case', ...sizes.map((n) => `n = ${n}: solution · pullback`)],
    names.map((name) => [name, ...sizes.map((n) => cell(name, n))]),
  );
}

const against = (value, target) => [target, value <= target ? 'met' : 'falls short'];

function fromJavaScript(measured) {
  const training = linesOf(measured, 'training-step').map((line) => [
    `${line.step}, ${line.threads === 1 ? 'one thread' : 'two threads'}`,
    `${number(line.median_ms)} ms on the wall, ${number(line.cpu_ms)} of the processor`,
    ...against(line.median_ms, line.threads === 1 ? 2 : 1.3),
  ]);
  const small = linesOf(measured, 'small-tensors').map((line) => [
    `${line.step}, beyond one tensor of as many, ${line.threads === 1 ? 'one thread' : 'two threads'}`,
    `${number(line.beyond_ms)} ms on the wall`,
    ...against(line.beyond_ms, 0.2),
  ]);
  const queue = linesOf(measured, 'queue-cost').map((line) => [
    `queueing \`${line.call}\``,
    `${number(line.median_us)} µs of the event loop, at least ${number(line.min_us)}`,
    ...['', ''],
  ]);
  return table(['what', 'median', 'target, ms', ''], [...training, ...small, ...queue]);
}

const perSecond = (line, key) => Math.round((1e3 * line.signals) / line[key]).toLocaleString('en');

function pursuits(measured) {
  const lines = linesOf(measured, 'sparse-coding');
  const shapes = [...new Set(lines.map(({ shape }) => shape))];
  const rows = shapes.map((shape) => {
    const [one, two] = ['orthokit', 'orthokit, 2 threads'].map((peer) =>
      lines.find((line) => line.shape === shape && line.peer === peer),
    );
    const rates = (key, wall) => [one, two].map((line) => `${perSecond(line, key)} · ${perSecond(line, wall)}`);
    return [
      ...shape.split('x'),
      ...rates('median_ms', 'wall_ms'),
      ...rates('with_gram_ms', 'with_gram_wall_ms'),
      perSecond(one, 'with_gram_first_ms'),
      `${Math.round(one.peak_bytes / 2 ** 20)} MB`,
    ];
  });
  const heads = ['N', 'd', 'k', 'B', '1 thread', '2 threads', 'Gram matrix counted in: 1', '2', 'the first: 1', 'peak'];
  return table(heads, rows);
}

function pursuitPeers(measured) {
  const lines = linesOf(measured, 'sparse-coding');
  const raced = [...new Set(lines.filter(({ peer }) => peer === 'sklearn').map(({ shape }) => shape))];
  const names = {
    orthokit: 'omp',
    sklearn: '`orthogonal_mp_gram`',
    'torch-gram': 'by the Gram matrix',
    'torch-products': 'by products',
  };
  const rows = raced.map((shape) => [
    ...shape.split('x'),
    ...Object.keys(names).map((peer) => {
      const line = lines.find((other) => other.shape === shape && other.peer === peer);
      return line.skipped ? `✗ ${line.skipped}` : perSecond(line, 'median_ms');
    }),
  ]);
  const heads = Object.entries(names).map(([peer, name]) => {
    const version = lines.find((line) => line.peer === peer && line.version)?.version;
    return peer === 'orthokit' ? name : `${version}, ${name}`;
  });
  return table(['N', 'd', 'k', 'B', ...heads], rows);
}

/** Figures that the README of batched-omp publishes, of a Xeon 8559C: scikit-learn, SPAMS, batched-omp on the CPU. */
const published = {
  '1024x256x32x5000': [594, 7139, 3257],
  '1207x8064x30x1200': [352, 1717, 1731],
  '2048x512x64x5000': [207, 2359, 926],
};
function publishedPursuits(measured) {
  const lines = linesOf(measured, 'sparse-coding');
  const rows = Object.entries(published).map(([shape, figures]) => [
    ...shape.split('x'),
    ...['orthokit', 'orthokit, 2 threads'].map((peer) =>
      perSecond(
        lines.find((line) => line.shape === shape && line.peer === peer),
        'wall_ms',
      ),
    ),
    ...figures.map((figure) => figure.toLocaleString('en')),
  ]);
  return table(['N', 'd', 'k', 'B', 'omp, 1 thread', '2 threads', 'scikit-learn', 'SPAMS', 'batched-omp, CPU'], rows);
}

/** The demo's table, and how long it took. */
function demo(measured) {
  const { lines, seconds } = measured.sections.demo;
  const text = lines[0].slice(lines[0].indexOf('\noptimizer ')).trim();
  const { processors, cpu, system } = measured.machine;
  return `${processors} processors of a virtual machine (${cpu}), ${system}; ${seconds} s in all:\n\n\`\`\`\n${text.split('\nLoss curves')[0].trim()}\n\`\`\``;
}

/** The parts of each page. */
export const parts = {
  'docs/performance.md': {
    ...{
      sitting,
      steps,
      operations,
      'from JavaScript': fromJavaScript,
      peers,
      transport,
      hard,
      growth,
      points,
      pullback,
    },
    'floors of transport': transportFloors,
  },
  'docs/guide/sparse-coding-reference.md': {
    sitting,
    pursuits,
    'pursuits of peers': pursuitPeers,
    'published pursuits': publishedPursuits,
  },
  'README.md': { demo },
};

export function writePages(measured) {
  for (const [page, own] of Object.entries(parts))
    for (const [name, render] of Object.entries(own)) writeMarked(path.join(root, page), name, render(measured));
}
