// Cases for the interpreter, "op field=value …" a line: with the examples of the operations they launch every kernel in
// every form, and large enough for what is counted to be about the elements and not about their edges.
// usage: node test/cuda-emulator/ptx/cases.mjs own|double|cublas|turing

import { attentionPlaces } from '../../../scripts/kernel-report/models.mjs';

const wide = ['f32', 'f64'];
const floats = ['f32', 'f64', 'f16', 'bf16'];
const all = [...floats, 'i32', 'u8'];
/** A warp a row, a block a row, a large block a row. */
const rows = ['1024x256', '128x2048', '16x16384'];
const columnsOf = (shape) => shape.split('x')[1];
const rowsOf = (shape) => shape.split('x')[0];
const flat = '262144';

function* rowCases() {
  for (const t of wide) {
    // Its reference takes as many products as a row has squares.
    for (const kind of ['dct2', 'dct3']) yield `dct x=${t}[256x256] out=${t}[256x256] kind=${kind}`;
    for (const shape of rows) {
      const [n, m, x] = [rowsOf(shape), columnsOf(shape), `${t}[${shape}]`];
      yield `row_softmax x=${x} out=${x}`;
      yield `row_softmax_backward grad=${x} y=${x} out=${x}`;
      yield `row_softmax_backward grad=${x} y=${x} out=${x} beta=1`;
      yield `row_logsumexp x=${x} out=${t}[${n}]`;
      yield `row_logsumexp_backward grad=${t}[${n}] x=${x} out=${x}`;
      yield `layer_norm x=${x} weight=${t}[${m}] bias=${t}[${m}] out=${x}`;
      yield `layer_norm_backward grad=${x} x=${x} weight=${t}[${m}] gradX=${x} gradWeight=${t}[${m}] gradBias=${t}[${m}]`;
      yield `layer_norm_backward grad=${x} x=${x} gradX=${x} gradWeight=${t}[${m}] betaX=1 betaWeight=1`;
      yield `softmax_cross_entropy logits=${x} labels=i32[${n}] loss=f64[1] correct=i32[1]`;
      yield `softmax_cross_entropy_backward logits=${x} labels=i32[${n}] grad=${x}`;
      const terms = `logits=${x} labels=i32[${n}] weights=${t}[${m}] rowWeights=${t}[${n}] smoothing=0.1 over=2*f64[1]`;
      yield `softmax_cross_entropy ${terms} loss=f64[1] losses=${t}[${n}]`;
      yield `softmax_cross_entropy_backward ${terms} grad=${x} beta=1 scale=2*f64[1]`;
      yield `softmax_cross_entropy_backward ${terms} direction=${x} grad=${x}`;
      yield `row_top_k x=${x} index=i32[${n}x2] values=${t}[${n}x2]`;
      yield `row_top_k x=${x} index=i32[${n}x1] among=3 noise=gumbel seed=1`;
      yield `row_top_k x=${x} index=i32[${n}x1] noise=gumbel seed=1`;
      for (const reduction of ['sum', 'max', 'sum_of_squares', 'norm']) {
        for (const to of t === 'f32' ? wide : ['f64']) {
          yield `row_reduce x=${x} out=${to}[${n}] reduction=${reduction}`;
          if (shape === rows[2]) yield `row_reduce x=${t}[4x40000] out=${to}[4] reduction=${reduction}`;
        }
        if (shape === rows[1]) yield `column_reduce x=${x} out=${t}[${m}] reduction=${reduction}`;
      }
    }
    yield `column_sum x=${t}[512x512] out=${t}[512]`;
  }
  for (const t of floats) {
    for (const shape of rows) {
      const [x, m] = [`${t}[${shape}]`, columnsOf(shape)];
      yield `rms_norm x=${x} weight=${t}[${m}] out=${x}`;
      yield `rms_norm_backward grad=${x} x=${x} weight=${t}[${m}] gradX=${x} gradWeight=${t}[${m}]`;
      for (const set of ['simplex', 'l1_ball', 'ball']) yield `project_rows x=${x} out=${x} set=${set}`;
      yield `project_rows x=${x} normal=${t}[${m}] out=${x} set=halfspace`;
    }
  }
}

function* searchCases() {
  const found = 'index=i32[2x3] scores=f64[2x3]';
  for (const [count, columns] of [
    [300, 64],
    [3000, 600],
    [5000, 8],
    [300, 5001],
  ]) {
    const query = `queries=f32[2x${columns}]`;
    for (const t of ['f32', 'f16']) yield `nearest_rows ${query} rows=${t}[${count}x${columns}] ${found} metric=l2`;
    const [codes, ranges] = [`u8[${count}x${columns}]`, `f32[${count}x2]`];
    yield `nearest_rows ${query} rows=${codes} ranges=${ranges} residuals=${codes} residualRanges=${ranges} ${found}`;
  }
}

function* matrixCases() {
  for (const t of wide) {
    yield `add_bias x=${t}[512x512] bias=${t}[512] out=${t}[512x512]`;
    yield `add_bias x=${t}[512x513] bias=${t}[513] out=${t}[512x513]`;
    for (const m of [512, 513])
      for (const [axis, n] of [
        [1, m],
        [0, 384],
      ])
        yield `scale_axis x=${t}[384x${m}] scale=${t}[${n}] out=${t}[384x${m}] axis=${axis} beta=1`;
    for (const width of [512, 504])
      for (const layout of ['halves', 'interleaved'])
        yield `rope x=${t}[4x128x${width}] offsets=i32[4] out=${t}[4x128x${width}] heads=4 layout=${layout}`;
  }
  for (const t of all) {
    // So many indices that each row is named once.
    for (const m of [64, 65]) {
      const [x, index] = [`${t}[8192x${m}]`, 'index=i32[8192]'];
      yield `gather_rows x=${x} ${index} out=${x}`;
      yield `ring_write ring=${t}[512x4x${m}] x=${t}[512x${m}] old=${t}[512x${m}] slot=2`;
      yield `scatter_rows out=${x} ${index} x=${x} mode=set`;
      if (floats.includes(t)) yield `scatter_rows out=${x} ${index} x=${x}`;
      if (floats.includes(t)) yield `scatter_rows out=${x} ${index} x=${x} beta=0`;
    }
    if (floats.includes(t)) yield `scatter_rows out=${t}[4095x65] index=i32[1] x=${t}[1x65] beta=0`;
    yield `transpose x=${t}[512x512] out=${t}[512x512]`;
    yield `rearrange x=${t}[512x512] out=${t}[512x512] axes=1,0`;
    for (const width of [64, 63])
      yield `rearrange x=${t}[8x64x${4 * width}] out=${t}[8x4x64x${width}] shape=8,64,4,${width} axes=0,2,1,3`;
    for (const n of [262144, 262143]) yield `transpose x=${t}[1x${n}] out=${t}[${n}x1]`;
    yield `fill x=${t}[${flat}] value=1`;
    yield `copy out=${t}[${flat}] x=${t}[${flat}]`;
  }
}

/** Kernels that compute in f32, on copies of tensors of 16 bits. */
function* halfCases() {
  for (const t of ['f16', 'bf16']) for (const n of [flat, '262143']) yield `relu x=${t}[${n}] out=${t}[${n}]`;
}

function* imageCases() {
  for (const t of floats) {
    yield `dropout x=${t}[65536] out=${t}[65536] rate=0.1 seed=1`;
    yield `dropout x=${t}[65536] out=${t}[65536] rate=0.1 seed=1 beta=1`;
    for (const c of [64, 63]) {
      const [x, row, wide] = [`${t}[4096x${c}]`, `${t}[${c}]`, `${t === 'f64' ? t : 'f32'}[${c}]`];
      const norm = `x=${x} weight=${row} bias=${row} mean=${wide} variance=${wide} out=${x}`;
      yield `batch_norm ${norm} moments=f64[2x${c}]`;
      yield `batch_norm ${norm} using=running`;
      yield `batch_norm_backward grad=${x} x=${x} weight=${row} moments=f64[2x${c}] gradX=${x} gradWeight=${row} gradBias=${row}`;
    }
    // Channels in fours, and one by one.
    for (const c of [32, 33]) {
      const [x, out] = [`${t}[4x32x32x${c}]`, `4x16x16x${c}`];
      yield `pool2d x=${x} out=${t}[${out}] places=u8[${out}] size=2`;
      yield `pool2d x=${x} out=${t}[${out}] size=2 kind=average`;
      yield `pool2d_backward grad=${t}[${out}] places=u8[${out}] gradX=${x} size=2`;
      yield `pool2d_backward grad=${t}[${out}] gradX=${x} size=2 kind=average`;
      yield `pool2d_backward grad=${t}[4x2x2x${c}] places=i32[4x2x2x${c}] gradX=${t}[4x18x18x${c}] size=17 stride=1`;
    }
  }
}

function* elementCases() {
  for (const t of wide) {
    const x = `${t}[${flat}]`;
    for (const op of ['multiply', 'divide']) yield `${op} out=${x} x=${x} y=${x}`;
    for (const op of ['relu', 'gelu']) {
      yield `${op} x=${x} out=${x}`;
      yield `${op}_backward grad=${x} x=${x} out=${x}`;
      yield `${op}_backward grad=${x} x=${x} out=${x} beta=1`;
    }
    for (const form of ['erf', 'tanh']) {
      yield `gelu x=${x} out=${x} form=${form}`;
      yield `gelu_backward grad=${x} x=${x} out=${x} form=${form}`;
      yield `gelu_backward grad=${x} x=${x} out=${x} form=${form} beta=1`;
    }
    yield `dots x=${x} y=${x} out=f64[1]`;
    yield `norms x=${x} out=f64[1]`;
    yield `linear_combination out=${x} terms=${x},${x} coefficients=1,2`;
    yield `scale_each out=${x} x=${x} factors=f64[1]`;
    yield `clip_each out=${x} x=${x} limits=f64[1]`;
    yield `select_kth x=${x} ranks=100 out=f64[1]`;
    for (const order of ['value', 'size']) yield `top_k x=${x} index=i32[100] values=${t}[100] order=${order}`;
    yield `check_finite x=${x} guard=f64[1]`;
    yield `momentum grads=${x} momenta=${x} out=${x} momentum=0.9`;
    yield `momentum grads=${x} momenta=${x} out=${x} momentum=0.9 squares=f64[1]`;
    yield `random x=${t}[65536] seed=1`;
    yield `segment_reduce x=${x} y=${x} out=f64[1x6]`;
  }
  yield `cast out=bf16[${flat}] x=f32[${flat}]`;
  // Enough tensors for the longer table that a kernel's parameters can carry.
  const many = Array(24).fill('f32[33]').join(',');
  yield `multiply out=${many} x=${many} y=${many}`;
}

function* mapCases() {
  const functions = [
    'abs',
    'sign',
    'sqrt',
    'exp',
    'log',
    'tanh',
    'sigmoid',
    'softplus',
    'softplus_derivative',
    'softplus_second_derivative',
    'relu',
    'gelu',
    'silu',
  ];
  const withParameters = ['soft_threshold parameters=0.5', 'clamp parameters=-0.5,0.75', 'power parameters=3'];
  for (const t of wide) {
    for (const f of [...functions, ...withParameters]) {
      const [x, beta] = [`${t}[65536]`, f === 'silu' || f.startsWith('power') ? 1 : 0];
      yield `map out=${x} x=${x} function=${f}`;
      yield `map_backward grad=${x} x=${x} out=${x} function=${f}`;
      if (beta) yield `map_backward grad=${x} x=${x} out=${x} function=${f} beta=1`;
    }
  }
}

function* stepCases() {
  for (const t of floats) {
    const master = t === 'f16' || t === 'bf16' ? ` masters=f32[${flat}]` : '';
    const x = `${t}[${flat}]`;
    const state = master === '' ? x : `f32[${flat}]`;
    const step = `weights=${x} grads=${x}${master} lr=0.01 weightDecay=0.01`;
    for (const measured of ['', ' statistics=f64[3]']) {
      yield `sgd ${step}${measured}`;
      yield `sgd ${step} momenta=${state} steps=i32[1] momentum=0.9${measured}`;
      yield `adamw ${step} momenta=${state} roots=${state} steps=i32[1]${measured}`;
      yield `lion ${step} momenta=${state}${measured}`;
      yield `eg ${step}${measured}`;
      yield `eg ${step} momenta=${state} steps=i32[1] momentum=0.9${measured}`;
      yield `eg ${step} momenta=${state} roots=${state} steps=i32[1] variant=adamw${measured}`;
      yield `diff_grad ${step} momenta=${state} roots=${state} previous=${state} steps=i32[1]${measured}`;
      yield `adagrad ${step} roots=${state} steps=i32[1]${measured}`;
      yield `apply_update ${step}${measured}`;
      const byRows = `${step.replaceAll(flat, '4096x64')} squares=f64[4096] secondMoments=f32[4096]`;
      yield `normalized_update ${byRows}${measured}`;
      yield `adagrad_norm ${step} squares=f64[1] steps=i32[1]${measured}`;
      yield `auon ${step} momenta=${state}${measured}`;
    }
  }
}

/** The operations of a step of Conda. */
function* basisCases() {
  for (const t of wide) {
    for (const side of ['left', 'right'])
      yield `refresh_basis x=${t}[2x33x31] basis=${t}[2x${side === 'left' ? 33 : 31}x31] steps=i32[1] gap=1 side=${side}`;
    for (const n of [511, 512]) {
      const operands = ['momentum', 'grad', 'out'].map((name) => `${name}=${t}[1x512x${n}]`).join(' ');
      const norms = (lines, vectors) => `norms=f64[1x${lines}] momentumNorms=f64[1x${lines}] sizes=f64[1x${vectors}]`;
      yield `adam_in_basis ${operands} roots=bf16[512x${n}] ${norms(512, n)} steps=i32[1]`;
      yield `adam_in_basis ${operands} roots=${t}[512x${n}] ${norms(n, 512)} steps=i32[1] axis=columns`;
    }
  }
}

/** The parts of Dion and Dion2. */
function* sliceCases() {
  for (const t of wide) {
    for (const [m, k, n] of [
      [512, 128, 511],
      [512, 128, 512],
    ]) {
      const index = `scores=f64[1x${m}] places=i32[1x${m}] decay=0.95`;
      yield `take_slices x=${t}[1x${m}x${n}] out=${t}[1x${k}x${n}] ${index}`;
      yield `take_slices x=${t}[1x${n}x${m}] out=${t}[1x${n}x${k}] ${index} axis=columns`;
      yield `place_slices x=${t}[1x${k}x${n}] out=${t}[1x${m}x${n}] places=i32[1x${m}]`;
      yield `place_slices x=${t}[1x${m}x${k}] out=${t}[1x${m}x${n}] places=i32[1x${n}] axis=columns`;
      yield `unit_columns x=${t}[1x${m}x${n}] out=${t}[1x${m}x${n}] squares=f64[1x${n}]`;
    }
    yield `commit state=${t}[${flat}] x=${t}[${flat}]`;
  }
}

/** The operations of a step of DCT-AdamW. */
function* cosineCases() {
  for (const t of floats)
    for (const n of [511, 512])
      yield `carry_rows states=${t}[2x128x${n}] indices=i32[2x128] chosen=i32[2x128] steps=i32[1]`;
  for (const t of wide) {
    for (const n of [511, 512]) {
      yield `drop_small x=${t}[1x128x${n}] norms=f64[1x${n}] out=${t}[1x128x${n}] least=0.5`;
      for (const [bits, width] of [
        [8, n],
        [4, Math.ceil(n / 2)],
      ]) {
        const codes = `codes=u8[128x${width}] ranges=${t}[128x2] bits=${bits}`;
        yield `quantize_rows x=${t}[128x${n}] ${codes}`;
        yield `dequantize_rows out=${t}[128x${n}] ${codes}`;
      }
    }
  }
}

/** Matrices of packed codes in groups, and random directions. */
function* packedCases() {
  for (const [bits, width] of [
    [2, 128],
    [3, 192],
    [4, 256],
    [8, 512],
  ]) {
    const codes = `codes=u8[256x${width}] scales=f32[256x8] bits=${bits}`;
    for (const t of floats) yield `dequantize_groups out=${t}[256x512] ${codes}`;
    yield `quantized_gemm a=f32[4x512] c=f32[4x256] transB=transposed ${codes}`;
    yield `quantized_gemm a=f32[4x512] c=f32[4x256] transB=transposed activations=i8 ${codes}`;
    yield `quantized_gemm a=f32[128x512] c=f32[128x256] transB=transposed ${codes}`;
    yield `quantized_gemm a=f32[128x256] c=f32[128x512] ${codes}`;
  }
  for (const t of floats) {
    yield `quantize_groups x=${t}[256x512] codes=u8[256x256] scales=f32[256x8]`;
    yield `axpy_random x=${t}[512x512] out=${t}[512x512] factors=0.5 seed=1`;
  }
  yield 'axpy_random x=f32[512x512] out=f32[512x512] factors=0.5 seed=1 floored=f64[1] least=0';
}

/** A counter of squares a row. */
function* rowStepCases() {
  for (const t of wide) {
    for (const shape of rows) {
      for (const measured of ['', ' statistics=f64[3]']) {
        yield `adagrad_norm weights=${t}[${shape}] grads=${t}[${shape}] squares=f64[${rowsOf(shape)}] steps=i32[1] lr=0.1 scope=rows${measured}`;
      }
    }
  }
}

/** Sweeps in registers of 128 threads, in those of 512, in memory; and for one block. With a kernel left behind. */
function* logSweepCases() {
  for (const t of wide) {
    for (const [n, m] of [
      [128, 1024],
      [32, 4096],
      [16, 8704],
      [128, 128],
    ]) {
      const vectors = `rowMass=f64[${n}] columnMass=f64[${m}] rowPotential=f64[${n}] columnPotential=f64[${m}]`;
      const sweeps = `log_sweeps cost=${t}[${n}x${m}] ${vectors} statistics=f64[1]`;
      yield `${sweeps} sweeps=2`;
      yield `${sweeps} kernel=${t}[${n}x${m}] columnScale=f64[${m}]`;
    }
    yield `batch_sweeps cost=${t}[16x64x64] rowMass=f64[16x64] columnMass=f64[16x64] rowPotential=f64[16x64] columnPotential=f64[16x64] statistics=f64[16x4] maxSweeps=2`;
    yield `softmin cost=${t}[512x256] potential=f64[512] logSums=f64[256] of=columns`;
  }
}

/** For one block, and for some, which wait for each other. */
function* newtonCases() {
  for (const n of [800, 2000]) {
    yield `sparse_newton_step starts=i32[${n + 1}] columns=i32[${3 * n}] values=f64[${3 * n}] rowMass=f64[${n}] rowSums=f64[${n}] columnMass=f64[${n}] step=f64[${n}] statistics=f64[4] shift=1e4 maxIterations=5`;
  }
}

function* productCases() {
  for (const t of floats) {
    for (const [transA, a] of [
      ['none', '384x256'],
      ['transposed', '256x384'],
    ]) {
      for (const [transB, b] of [
        ['none', '256x320'],
        ['transposed', '320x256'],
      ]) {
        yield `gemm a=${t}[${a}] b=${t}[${b}] c=${t}[384x320] transA=${transA} transB=${transB}`;
      }
    }
    yield `gemm a=${t}[384x256] b=${t}[256x320] c=${t}[384x320] addend=${t}[384x320] bias=${t}[320] beta=2`;
    // Enough large tiles to fill a device.
    for (const [transA, a] of [
      ['none', '1536x64'],
      ['transposed', '64x1536'],
    ]) {
      for (const [transB, b] of [
        ['none', '64x1024'],
        ['transposed', '1024x64'],
      ]) {
        if (t !== 'f64') yield `gemm a=${t}[${a}] b=${t}[${b}] c=${t}[1536x1024] transA=${transA} transB=${transB}`;
      }
    }
    for (const [trans, a] of [
      ['none', '256x320'],
      ['transposed', '320x256'],
    ]) {
      yield `symmetric_product a=${t}[${a}] c=${t}[256x256] trans=${trans}`;
    }
  }
}

function* largeProductCases() {
  for (const products of ['bf16', 'f16']) {
    yield `gemm a=f32[384x256] b=f32[256x320] c=f32[384x320] bias=f32[320] products=${products}`;
  }
  for (const t of ['f32', 'f16', 'bf16']) {
    // The depth is cut where tiles are few.
    yield `gemm a=${t}[128x4096] b=${t}[4096x128] c=${t}[128x128]`;
    // Enough large tiles of triangles.
    for (const [trans, a] of [
      ['none', '16x384x32'],
      ['transposed', '16x32x384'],
    ]) {
      yield `symmetric_product a=${t}[${a}] c=${t}[16x384x384] trans=${trans}`;
    }
  }
}

/** Causal heads of each size that tiles are made for; those of the longest in 16 bits take no tensor cores. */
function* attentionCases() {
  for (const t of floats) {
    const sums = t === 'f64' ? 'f64' : 'f32';
    for (const size of [32, 64, 128, 256]) {
      const [qkv, out] = [`${t}[1x${attentionPlaces}x${6 * size}]`, `${t}[1x${attentionPlaces}x${2 * size}]`];
      const operands = `qkv=${qkv} out=${out} logSums=${sums}[1x2x${attentionPlaces}] heads=2`;
      yield `attention ${operands}`;
      yield `attention_backward grad=${out} ${operands} gradQkv=${qkv}`;
      yield `attention_tangent ${operands} tangentQkv=${qkv} outTangent=${out}`;
    }
  }
}

/** A thread a sum, or several; fewer keys than threads, and more; new places alone, and one after the other. */
function* cachedAttentionCases() {
  for (const t of floats)
    for (const [size, room, places] of [
      [32, 64, 1],
      [64, 320, 1],
      [129, 20, 3],
    ]) {
      const [streams, cache] = ['positions=i32[4] next=i32[4]', `4x2x${size}x${room}`];
      const operands = `qkv=${t}[4x${places}x${6 * size}] ${streams} keys=${t}[${cache}] values=${t}[4x2x${room}x${size}]`;
      yield `cached_attention ${operands} out=${t}[4x${places}x${2 * size}] heads=2`;
      if (places > 1) yield `cached_attention ${operands} lengths=i32[4] heads=2`;
    }
}

/** A convolution of 3 × 3 by its sizes, and the operations of it that are asked for. */
function* convolutions(t, [n, h, w, c, o], { stride = 1, groups = 1, ops = ['forward', 'input', 'kernel'] } = {}) {
  const [x, kernel] = [`${t}[${n}x${h}x${w}x${c}]`, `${t}[${o}x3x3x${c / groups}]`];
  const out = `${t}[${n}x${Math.ceil(h / stride)}x${Math.ceil(w / stride)}x${o}]`;
  const moves = `stride=${stride} padding=1 groups=${groups}`;
  const lines = {
    forward: `conv2d x=${x} kernel=${kernel} bias=${t}[${o}] out=${out} ${moves}`,
    input: `conv2d_backward_input grad=${out} kernel=${kernel} gradX=${x} ${moves}`,
    kernel: `conv2d_backward_kernel grad=${out} x=${x} gradKernel=${kernel} ${moves}`,
  };
  for (const op of ops) yield lines[op];
}

/** Channels that fill small tiles, those that are no whole chunks, steps; a kernel for each channel; large tiles. */
function* convolutionCases() {
  for (const t of floats) {
    yield* convolutions(t, [4, 16, 16, 64, 64]);
    yield* convolutions(t, [4, 16, 15, 19, 20]);
    yield* convolutions(t, [4, 16, 16, 32, 32], { stride: 2 });
    for (const c of [64, 63]) yield* convolutions(t, [4, 16, 16, c, c], { groups: c });
    if (t === 'f64') continue;
    // As many large tiles as fill a device, with channels on the one side that fill them.
    yield* convolutions(t, [48, 16, 16, 16, 128], { ops: ['forward'] });
    yield* convolutions(t, [48, 16, 16, 128, 16], { ops: ['input'] });
    yield* convolutions(t, [1, 12, 12, 128, 1536], { ops: ['kernel'] });
  }
}

/** In registers of 128 threads, in those of 512, in memory; and for one block. */
function* sweepCases() {
  const marginals = (n, m) => `rowMass=f64[${n}] columnMass=f64[${m}]`;
  for (const t of wide) {
    for (const [n, m] of [
      [128, 1024],
      [32, 4096],
      [16, 8192],
    ]) {
      const x = `${t}[${n}x${m}]`;
      const scales = `rowScale=f64[${n}] columnScale=f64[${m}]`;
      const potentials = `rowPotential=f64[${n}] columnPotential=f64[${m}]`;
      const list = `starts=i32[${n + 1}] columns=i32[${n * m}] values=f64[${n * m}] statistics=f64[2]`;
      yield `scaling_sweeps kernel=${x} ${marginals(n, m)} ${scales} statistics=f64[4] maxScale=1e100`;
      yield `plan_sums cost=${x} ${potentials} ${marginals(n, m)} rowSums=f64[${n}] columnSums=f64[${m}] statistics=f64[4]`;
      yield `cost_range cost=${x} ${marginals(n, m)} statistics=f64[8]`;
      yield `plan_sparsify kernel=${x} ${scales} ${list} delta=1000`;
    }
    yield `scaling_sweeps kernel=${t}[64x64] ${marginals(64, 64)} rowScale=f64[64] columnScale=f64[64] statistics=f64[4] maxScale=1e100`;
  }
}

function* transportCases() {
  for (const t of wide) {
    for (const [n, m] of [
      [256, 512],
      [64, 2048],
      [16, 8192],
    ]) {
      const x = `${t}[${n}x${m}]`;
      yield `semidual kernel=${x} rowMass=f64[${n}] columnMass=f64[${m}] rowScale=f64[${n}] columnScale=f64[${m}] nextRowScale=f64[${n}] nextColumnScale=f64[${m}] rowSums=f64[${n}] statistics=f64[3]`;
      yield `softmin cost=${x} potential=f64[${m}] logSums=f64[${n}]`;
      yield `softmin x=${t}[${n / 8}x3] y=${t}[${m}x3] potential=f64[${m}] logSums=f64[${n / 8}] gradients=f64[${n / 8}x3]`;
      yield `plan_sparsify kernel=${x} rowScale=f64[${n}] columnScale=f64[${m}] starts=i32[${n + 1}] columns=i32[${n * m}] values=f64[${n * m}] statistics=f64[2] threshold=0.5`;
    }
    for (const m of [512, 513]) {
      yield `gibbs_kernel cost=${t}[128x${m}] rowPotential=f64[128] columnPotential=f64[${m}] kernel=${t}[128x${m}]`;
    }
    for (const d of [3, 64]) {
      yield `pairwise_costs x=${t}[128x${d}] y=${t}[512x${d}] out=${t}[128x512]`;
    }
    yield `softmin x=${t}[128x64] y=${t}[512x64] potential=f64[512] logSums=f64[128] meanCosts=f64[128] eps=9`;
  }
}

/** A matrix a block, as it is used: batches of small ones. */
function* denseCases() {
  for (const t of wide) {
    const [n, batch] = [24, 4];
    const [x, row, info] = [`${t}[${batch}x${n}x${n}]`, `[${batch}x${n}]`, `info=i32[${batch}]`];
    yield `cholesky gram=${x} factor=${x} ${info}`;
    yield `cholesky_solve factor=${x} rhs=${x} out=${x}`;
    yield `lu matrix=${x} lu=${x} pivots=i32${row} ${info}`;
    yield `lu_solve lu=${x} pivots=i32${row} rhs=${x} out=${x}`;
    yield `qr matrix=${x} q=${x} r=${x}`;
    yield `eigh matrix=${x} values=${t}${row} vectors=${x} ${info}`;
    yield `svd matrix=${x} u=${x} s=${t}${row} v=${x} ${info}`;
  }
}

/** Rows of three entries. */
function* entryCases() {
  for (const t of wide) {
    for (const width of [16, 17]) {
      const entries = `starts=i32[1025] columns=i32[3072] values=${t}[3072] x=${t}[512x${width}]`;
      yield `combine_entries ${entries} out=${t}[1024x${width}]`;
      yield `fit_rows ${entries} shift=${t}[512] out=${t}[1024x${width}] squares=f64[1024] singular=i32[1024] ridge=0.1`;
      for (const count of [4096, 4099])
        yield `entry_products rows=i32[${count}] columns=i32[${count}] x=${t}[512x${width}] y=${t}[512x${width}] out=${t}[${count}]`;
    }
  }
}

function* pursuitCases() {
  for (const half of ['f16', 'bf16'])
    for (const m of [512, 513])
      for (const t of wide)
        yield `combine_rows x=${half}[256x${m}] indices=i32[64x8] coefficients=${t}[64x8] out=f32[64x${m}]`;
  for (const m of [512, 513]) {
    yield `combine_rows x=f32[256x${m}] indices=i32[64x8] coefficients=f64[64x8] out=f32[64x${m}]`;
    yield `combine_rows x=f32[8x${m}] coefficients=f64[64x8] out=f32[64x${m}]`;
  }
  for (const t of wide) {
    yield `correlations x=${t}[128x256] atoms=${t}[256x256] out=${t}[128x256]`;
    for (const m of [512, 513]) {
      yield `combine_rows x=${t}[256x${m}] indices=i32[64x8] coefficients=${t}[64x8] out=${t}[64x${m}]`;
    }
    yield `gram_pursuit correlations=${t}[4x1024] gram=${t}[1024x1024] squares=f64[1024] energies=f64[4] indices=i32[4x8] coefficients=${t}[4x8] residualNorms=${t}[4] counts=i32[4]`;
  }
}

/** With cuBLAS in panels: what of a symmetric product remains for kernels of our own. */
function* panelCases() {
  for (const t of floats) {
    yield `symmetric_product a=${t}[512x64] c=${t}[512x512]`;
    yield `symmetric_product a=${t}[512x64] c=${t}[512x512] beta=0.5`;
  }
}

/** For architectures whose tensor cores do not take bf16. */
function* wideCases() {
  yield 'gemm a=bf16[512x64] b=bf16[64x512] c=bf16[512x512]';
  yield 'symmetric_product a=bf16[512x64] c=bf16[512x512] beta=0.5';
  yield 'conv2d x=bf16[1x16x16x64] kernel=bf16[64x3x3x64] out=bf16[1x16x16x64] padding=1';
}

/** Rows of images in each dtype, of four elements at once and of one. */
function* augmentedCases() {
  for (const dtype of ['f16', 'bf16', 'f32', 'f64'])
    for (const channels of [3, 4]) {
      const image = `${dtype}[2x4x5x${channels}]`;
      const wide = dtype === 'f64' ? 'f64' : 'f32';
      const moments = `mean=${wide}[${channels}] variance=${wide}[${channels}]`;
      const bounds = channels === 3 ? 'low=-1,0,-2 high=1,2,2' : 'low=-1,0,-2,0 high=1,2,2,1';
      yield `augment_images x=${image} out=${image} crop=1,1,3,3 rollDown=1`;
      yield `augment_images_backward grad=${image} gradX=${image} crop=1,1,3,3 rollDown=1`;
      yield `channel_statistics_loss x=${image} ${moments} loss=f64[1] gradX=${image}`;
      yield `clamp_channels x=${image} ${bounds} out=${image}`;
    }
}

/** Places of streams, four at once. */
function* streamCases() {
  const rows = ['queries', 'keys', 'values'].map((name) => `${name}=f32[4x4x16x8]`).join(' ');
  const given = 'q=f32[4x32] k=f32[4x32] v=f32[4x32] positions=i32[4]';
  yield `retroactive_attention ${given} ${rows} sums=f32[4x4x16x12] out=f32[4x32x16] heads=4 next=i32[4]`;
}

/** Features of few-shot tasks, of rows in each dtype. */
function* featureCases() {
  for (const dtype of ['f16', 'bf16', 'f32', 'f64'])
    for (const wide of dtype === 'f64' ? ['f64'] : ['f32', 'f64'])
      yield `task_features query=${dtype}[1x43x33] x=${wide}[1x43x33] norms=f64[1x43] center=f64[1x33]`;
}

const common = [
  rowCases,
  matrixCases,
  searchCases,
  halfCases,
  imageCases,
  elementCases,
  mapCases,
  stepCases,
  rowStepCases,
  basisCases,
  sliceCases,
  cosineCases,
  packedCases,
  logSweepCases,
  newtonCases,
  productCases,
  largeProductCases,
  attentionCases,
  cachedAttentionCases,
  convolutionCases,
  sweepCases,
  transportCases,
  pursuitCases,
  entryCases,
  denseCases,
  augmentedCases,
  streamCases,
  featureCases,
];
const ofDoubles = (line) => line.split(' ')[1].includes('=f64[');
const linesOf = (generators) => generators.flatMap((cases) => [...cases()]);
const sets = {
  own: linesOf(common).filter((line) => !ofDoubles(line)),
  double: linesOf(common).filter(ofDoubles),
  cublas: linesOf([panelCases]),
  turing: linesOf([wideCases]),
};
for (const line of sets[process.argv[2]]) console.log(line);
