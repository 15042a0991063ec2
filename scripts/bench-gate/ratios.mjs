// The ratios that the gate guards: `to floor` and `to <baseline>` of orthokit_bench's cases, to peers where they are
// installed, each by one process of a second or two. `quick` ones make the short form of the gate.
import { here, python } from '../peers/turns.mjs';

const transformer = [
  'f32[20480x384],f32[1024x384],f32[384x1152]*12,f32[1152]*12,f32[384x384]*12,f32[384]*12',
  'f32[384x1536]*12,f32[1536]*12,f32[1536x384]*12,f32[384]*62',
].join(',');
const coefficients = `coefficients=${Array(5).fill('3.4445,-4.775,2.0315').join()}`;
const step = (lists, more) => [...lists.map((list) => `${list}=${transformer}`), ...more.split(' ')];
const matrix = (...fields) => fields.map((field) => `${field}=f32[8192x1024]`);
const square = (...fields) => fields.map((field) => `${field}=f32[1024x1024]`);
const masses = (n) => [`rowMass=f64[${n}]`, `columnMass=f64[${n}]`];

const heads = ['out=f32[8x256x512]', 'logSums=f32[8x8x256]', 'heads=8'];
const images = (...fields) => fields.map((field) => `${field}=f32[32x28x28x64]`);
const kernels = (field) => [`${field}=f32[64x3x3x64]`, 'padding=1'];

/** A case of orthokit_bench, by its words. */
const bench = (name, key, words, quick = false) => ({ name, key, bench: words, quick });
/** orthokit's process by a peer's, in turn. */
const peer = (name, own, other) => ({ name, own, other, quick: false });

const cases = [
  bench(
    'SGD, 29.5 M in 148',
    'baseline',
    ['sgd', ...step(['weights', 'grads', 'momenta'], 'steps=i32[1]*148 lr=0.1 momentum=0.9')],
    true,
  ),
  bench(
    'AdamW, 29.5 M in 148',
    'baseline',
    ['adamw', ...step(['weights', 'grads', 'momenta', 'roots'], 'steps=i32[1]*148 lr=0.001 weightDecay=0.01')],
    true,
  ),
  bench('AuON paper, 29.5 M in 148', 'baseline', ['auon', ...step(['weights', 'grads', 'momenta'], 'lr=0.05')]),
  bench('AuON head, 29.5 M in 148', 'baseline', [
    'auon',
    ...step(['weights', 'grads', 'momenta'], 'lr=0.24 variant=head gamma=1.5'),
  ]),
  bench('Muon 1024×1024', 'baseline', [
    'muon',
    'weights=f32[1024x1024]',
    'grads=f32[1024x1024]',
    'momenta=f32[1024x1024]',
    'lr=0.02',
    coefficients,
  ]),
  bench('Newton–Schulz 1024×1024', 'floor', ['newton_schulz', 'x=f32[1024x1024]', 'out=f32[1024x1024]', coefficients]),
  bench(
    'Newton–Schulz, 144 of 64×64',
    'baseline',
    ['newton_schulz', 'x=f32[144x64x64]', 'out=f32[144x64x64]', coefficients],
    true,
  ),
  bench('symmetric product 1024×1024', 'floor', ['symmetric_product', 'a=f32[1024x1024]', 'c=f32[1024x1024]'], true),
  bench('symmetric product 256×784', 'baseline', ['symmetric_product', 'a=f32[256x784]', 'c=f32[256x256]']),
  bench(
    'product 128×784 · 784×256',
    'baseline',
    ['gemm', 'a=f32[128x784]', 'b=f32[256x784]', 'c=f32[128x256]', 'transB=transposed'],
    true,
  ),
  bench('GELU', 'baseline', ['gelu', ...matrix('x', 'out')], true),
  bench('softmax', 'baseline', ['row_softmax', ...matrix('x', 'out')], true),
  bench('cross-entropy', 'baseline', [
    'softmax_cross_entropy',
    'logits=f32[8192x1024]',
    'labels=i32[8192]',
    'loss=f64[1]',
    'correct=i32[1]',
  ]),
  bench('layer norm', 'baseline', ['layer_norm', ...matrix('x', 'out'), 'weight=f32[1024]', 'bias=f32[1024]'], true),
  bench('layer norm backward', 'baseline', [
    'layer_norm_backward',
    ...matrix('grad', 'x', 'gradX'),
    'weight=f32[1024]',
    'gradWeight=f32[1024]',
    'gradBias=f32[1024]',
  ]),
  bench('attention, 8 heads of 256×64', 'floor', ['attention', 'qkv=f32[8x256x1536]', ...heads], true),
  bench('attention backward', 'floor', [
    'attention_backward',
    'grad=f32[8x256x512]',
    'qkv=f32[8x256x1536]',
    'gradQkv=f32[8x256x1536]',
    ...heads,
  ]),
  bench('convolution 3×3, 64 channels', 'floor', ['conv2d', ...images('x', 'out'), ...kernels('kernel')], true),
  bench('convolution backward by input', 'floor', ['conv2d_backward_input', ...images('grad', 'gradX'), ...kernels('kernel')]), // biome-ignore format: one line
  bench('convolution backward by kernel', 'floor', ['conv2d_backward_kernel', ...images('grad', 'x'), ...kernels('gradKernel')]), // biome-ignore format: one line
  bench('column sum', 'baseline', ['column_sum', 'x=f32[8192x1024]', 'out=f32[1024]']),
  bench('transpose 4096×4096', 'baseline', ['transpose', 'x=f32[4096x4096]', 'out=f32[4096x4096]'], true),
  bench('random, normal', 'floor', ['random', 'x=f32[8192x1024]', 'seed=1', 'distribution=normal']),
  bench(
    'log_sweeps 500×500',
    'floor',
    [
      'log_sweeps',
      'cost=f64[500x500]',
      ...masses(500),
      'rowPotential=f64[500]',
      'columnPotential=f64[500]',
      'statistics=f64[1]',
    ],
    true,
  ),
  bench(
    'scaling_sweeps 500×500',
    'floor',
    [
      'scaling_sweeps',
      'kernel=f64[500x500]',
      ...masses(500),
      'rowScale=f64[500]',
      'columnScale=f64[500]',
      'statistics=f64[4]',
      'maxSweeps=10',
    ],
    true,
  ),
  bench('gibbs_kernel 500×500', 'floor', [
    'gibbs_kernel',
    'cost=f64[500x500]',
    'rowPotential=f64[500]',
    'columnPotential=f64[500]',
    'kernel=f64[500x500]',
  ]),
  bench('batch_sweeps, 256 of 64×64', 'floor', [
    'batch_sweeps',
    'cost=f64[256x64x64]',
    'rowMass=f64[256x64]',
    'columnMass=f64[256x64]',
    'rowPotential=f64[256x64]',
    'columnPotential=f64[256x64]',
    'statistics=f64[256x4]',
    'maxSweeps=10',
  ]),
  bench('softmin of points, 64 coordinates', 'floor', [
    'softmin',
    'x=f32[2048x64]',
    'y=f32[2048x64]',
    'potential=f64[2048]',
    'logSums=f64[2048]',
  ]),
  bench('selectKth, a tenth of 29 M', 'floor', ['select_kth', 'x=f32[28672x1024]', 'ranks=2936013', 'out=f64[1]']),
  bench('topK, a tenth of 29 M', 'floor', [
    'top_k',
    'x=f32[28672x1024]',
    'index=i32[2936013]',
    'values=f32[2936013]',
    'order=size',
  ]),
  bench('topK, 1024 of 29 M', 'floor', ['top_k', 'x=f32[28672x1024]', 'index=i32[1024]', 'values=f32[1024]']),
  bench('DCT, 4096 rows of 1024', 'floor', ['dct', 'x=f32[4096x1024]', 'out=f32[4096x1024]'], true),
  bench('Conda 1024×1024', 'floor', [
    ...['conda', ...square('weights', 'grads', 'momenta', 'roots', 'bases'), 'steps=i32[1]', 'lr=0.01', 'gap=200'],
  ]),
  bench('DCT-AdamW 1024×1024, rank 128', 'floor', [
    ...['dct_adamw', ...square('weights', 'grads'), 'momenta=f32[128x1024]', 'roots=f32[128x1024]'],
    ...['indices=i32[128]', 'steps=i32[1]', 'lr=0.001', 'rank=128'],
  ]),
  bench('Trion 1024×1024, rank 128', 'floor', [
    ...['trion', ...square('weights', 'grads', 'momenta'), 'lr=0.02', 'rank=128', coefficients],
  ]),
  bench('NorDion2 1024×1024', 'floor', [
    ...['nor_dion2', ...square('weights', 'grads', 'momenta'), 'secondMoments=f32[1024]', 'lr=0.02', coefficients],
  ]),
  bench('correlations 2000×256, f64', 'floor', [
    'correlations',
    'x=f64[256x256]',
    'atoms=f64[2000x256]',
    'out=f64[256x2000]',
  ]),
];

const own = (name) => [process.execPath, here('orthokit-peer.mjs'), name];
const transport = [process.execPath, here('transport-own.mjs'), 'plane', 500, 'auto'];
const pursuit = '2000x256x32x64';
const peers = [
  peer('AdamW by PyTorch', own('adamw'), [python, here('torch_peer.py'), 'adamw']),
  peer('Newton–Schulz by PyTorch', own('newton-schulz'), [python, here('torch_peer.py'), 'newton-schulz']),
  peer('softmax by NumPy', own('softmax'), [python, here('numpy_peer.py'), 'softmax']),
  peer('training step by PyTorch', own('training-step'), [python, here('torch_peer.py'), 'training-step']),
  peer('transport of 500 points by POT', transport, [python, here('transport_peer.py'), 'plane', 500, 'sinkhorn']),
  peer(
    'pursuit by scikit-learn',
    [process.execPath, here('sparse-coding.mjs'), '--own', `${pursuit}x1`],
    [python, here('omp_peer.py'), 'sklearn', ...pursuit.split('x')],
  ),
];

/** At which a form of a kernel in plain loops would fail, and what noise hides. */
export const ratios = [...cases, ...peers];
