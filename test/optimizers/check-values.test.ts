// Devices: cpu, cuda
// Axes: products
// Check values in float64 after three steps, from the specification of each method: W₃[0,0], W₃[m−1,n−1], ‖W₃ − W₀‖.
import { describe, expect, it } from 'vitest';
import {
  AdaGrad,
  AdaGradNorm,
  AdamW,
  AuON,
  Conda,
  DCTAdamW,
  Device,
  DiffGrad,
  Dion,
  Dion2,
  HybridAuON,
  Lion,
  Muon,
  NorDion2,
  NorMuon,
  orthogonalize,
  SGD,
  Tensor,
  Trion,
} from '../../lib/index.ts';
import { devices } from '../support/devices.ts';

const gradient = (m: number, n: number, t: number): Float64Array =>
  Float64Array.from({ length: m * n }, (_, k) => {
    const [i, j] = [Math.floor(k / n), k % n];
    return Math.sin(0.7 * (i + 1) * (t + 1) + 1.3 * (j + 1) + 0.1 * i * j);
  });
const start = (m: number, n: number): Float64Array =>
  Float64Array.from({ length: m * n }, (_, k) => 0.5 * Math.cos(0.9 * Math.floor(k / n) + 0.4 * (k % n) + 0.2));

const muon = { coefficients: 'jordan', lr: 0.02, weightDecay: 0.01 } as const;
type Make = (w: Tensor[]) => { step(grads: Tensor[]): void };
type Row = [name: string, make: Make, wide: [number, number, number], tall?: [number, number, number]];

const rows: Row[] = [
  [
    'Muon, AOL',
    (w) => new Muon(w, { lr: 0.02, weightDecay: 0.01, nsScaling: 'aol' }),
    [0.4801253292, 0.0942794483, 0.0715124792],
    [0.4811842038, 0.4696694421, 0.0883404858],
  ],
  [
    'Muon, polar-express on the Gram matrix',
    (w) => new Muon(w, { ...muon, coefficients: 'polar-express', nsMethod: 'gram', nsRestarts: [2] }),
    [0.4776708239, 0.092705759, 0.0769737551],
    [0.4816139789, 0.4693217519, 0.0936092833],
  ],
  [
    'Muon, Jordan’s coefficients',
    (w) => new Muon(w, muon),
    [0.4730244253, 0.0946415631, 0.0728958473],
    [0.4774686063, 0.4647954092, 0.0895457269],
  ],
  [
    'Muon, heavy ball with the same direction',
    (w) => new Muon(w, { ...muon, momentumForm: 'heavy-ball', eps: 2e-6 }),
    [0.4730244253, 0.0946415631, 0.0728958473],
    [0.4774686063, 0.4647954092, 0.0895457269],
  ],
  [
    'Muon, match_rms_adamw',
    (w) => new Muon(w, { ...muon, shapeScale: 'match_rms_adamw' }),
    [0.4815507313, 0.0939063423, 0.0356204156],
    [0.4848310392, 0.4639947802, 0.0356966306],
  ],
  [
    'Muon, you5',
    (w) => new Muon(w, { ...muon, coefficients: 'you5' }),
    [0.4779920752, 0.0947955738, 0.0752186861],
    [0.4821415958, 0.4691318547, 0.0911559232],
  ],
  [
    'Muon, polar-express',
    (w) => new Muon(w, { ...muon, coefficients: 'polar-express' }),
    [0.4776708239, 0.092705759, 0.0769737551],
    [0.4816139789, 0.4693217519, 0.0936092833],
  ],
  [
    'Muon, polar-express-kj',
    (w) => new Muon(w, { ...muon, coefficients: 'polar-express-kj' }),
    [0.4793505688, 0.094165085, 0.070717949],
    [0.4810828611, 0.468047456, 0.0956192572],
  ],
  [
    'Muon, cautious decay',
    (w) => new Muon(w, { ...muon, weightDecay: 0.1, weightDecayMode: 'cautious' }),
    [0.4704351017, 0.0943326736, 0.075067054],
    [0.4758219875, 0.4641189895, 0.0907313631],
  ],
  [
    'NorMuon repo',
    (w) => new NorMuon(w, { ...muon, eps: 1e-10 }),
    [0.4737131923, 0.0949512098, 0.0727862163],
    [0.4786552807, 0.4637864859, 0.0842176129],
  ],
  [
    'NorMuon, axis long',
    (w) => new NorMuon(w, { ...muon, eps: 1e-10, axis: 'long' }),
    [0.4747296586, 0.0946501952, 0.0745739336],
    [0.4786552807, 0.4637864859, 0.0842176129],
  ],
  [
    'NorMuon paper',
    (w) => new NorMuon(w, { coefficients: 'jordan', variant: 'paper', weightDecay: 0.01 }),
    [0.488783311, 0.0926464954, 0.0044601626],
    [0.4890854353, 0.4644835456, 0.0043706398],
  ],
  [
    'Trion, dct2',
    (w) => new Trion(w, { rank: 2, lr: 0.02, weightDecay: 0.01 }),
    [0.4736622342, 0.0957127846, 0.0545478013],
    [0.44912645, 0.4733796308, 0.0818741379],
  ],
  [
    'DCT-AdamW, error feedback and rotation, dct2',
    (w) => new DCTAdamW(w, { rank: 2, errorFeedback: true, rotate: true, lr: 0.01, weightDecay: 0.01 }),
    [0.4672706174, 0.1027281613, 0.0509195082],
    [0.4635203293, 0.474232746, 0.0593652201],
  ],
  [
    'DCT-AdamW, error feedback and rotation, dct3',
    (w) => new DCTAdamW(w, { rank: 2, errorFeedback: true, rotate: true, lr: 0.01, weightDecay: 0.01, basis: 'dct3' }),
    [0.4687281502, 0.0996771427, 0.0498726962],
    [0.4652363534, 0.4768339363, 0.0598103799],
  ],
  [
    'Dion',
    (w) => {
      const rows = Array.from({ length: w[0]!.shape[1]! }, (_, i) =>
        [0, 1].map((j) => Math.cos(1 + 2.3 * i + 1.7 * j)),
      );
      return new Dion(w, { rank: 2, lr: 0.01, weightDecay: 0.01, initialBasis: rows });
    },
    [0.4851652885, 0.0958307418, 0.0272833637],
    [0.4759739697, 0.4692915055, 0.0416823982],
  ],
  [
    'Dion2',
    (w) => new Dion2(w, { coefficients: 'jordan', fraction: 0.5, lr: 0.01, weightDecay: 0.01 }),
    [0.4820317018, 0.0930371885, 0.0255151188],
    [0.4869158107, 0.4636001075, 0.0302024218],
  ],
  [
    'NorDion2',
    (w) => new NorDion2(w, { coefficients: 'jordan', fraction: 0.5, lr: 0.01, weightDecay: 0.01 }),
    [0.4828825357, 0.0930373153, 0.0249382464], // by a program in NumPy that gives Dion2's published values
    [0.4830047139, 0.467981299, 0.0416350264],
  ],
  [
    'Conda',
    (w) => new Conda(w, { lr: 0.01, betas: [0.9, 0.99], gap: 2, weightDecay: 0.01 }),
    [0.4844532962, 0.0921694192, 0.020315511],
    [0.4855389471, 0.4680063078, 0.0196787038],
  ],
  [
    'AuON head',
    (w) => new AuON(w, { variant: 'head', lr: 0.24, weightDecay: 0.01, gamma: 1.5 }),
    [0.4397993276, 0.1084218979, 0.1699254801],
    [0.4397968157, 0.4742228351, 0.1424826654],
  ],
  [
    'AuON paper',
    (w) => new AuON(w, { lr: 0.24, weightDecay: 0.01 }),
    [0.3461658747, 0.141087225, 0.5105879453],
    [0.3051952813, 0.5092112753, 0.5581987856],
  ],
  [
    'HybridAuON head',
    (w) => new HybridAuON(w, { variant: 'head', lr: 0.24, weightDecay: 0.01 }),
    [0.2959250307, 0.1094074466, 0.8323380062],
    [0.3723831728, 0.4724396481, 0.8342717941],
  ],
  [
    'HybridAuON paper',
    (w) => new HybridAuON(w, { lr: 0.24, weightDecay: 0.01 }),
    [0.3974784446, 0.1245813067, 0.4938359643],
    [0.3742644948, 0.5259011097, 0.5466831855],
  ],
  ['AdamW', (w) => new AdamW(w, { lr: 1e-3, weightDecay: 0.01 }), [0.4875617434, 0.0942958191, 0.0087326165]],
  [
    'SGD',
    (w) => new SGD(w, { lr: 0.01, momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
    [0.4516523831, 0.1063914735, 0.1403119969],
  ],
  ['AdaGrad', (w) => new AdaGrad(w, { lr: 0.01 }), [0.4782445086, 0.1020771112, 0.0585003872]],
  [
    'AdaGradNorm',
    (w) => new AdaGradNorm(w, { lr: 1, initialAccumulator: 0.01 }),
    [0.1802102548, 0.2295034089, 1.1611550814],
  ],
  [
    'diffGrad',
    (w) => new DiffGrad(w, { lr: 0.01 }),
    [0.4736517434, 0.0999209444, 0.056255732],
    [0.4736517434, 0.4723851475, 0.0516835441],
  ],
  ['Lion', (w) => new Lion(w, { lr: 1e-4, weightDecay: 0.01 }), [0.4899318191, 0.0933559048, 0.0007477299]],
];

describe.each(devices)('check values on %s', (kind) => {
  const device = Device.open(kind);

  const threeSteps = async (make: Make, m: number, n: number, dtype: 'f32' | 'f64'): Promise<number[]> => {
    const w0 = start(m, n);
    const from = (data: Float64Array): Tensor =>
      Tensor.from(device, dtype === 'f64' ? data : Float32Array.from(data), [m, n]);
    const w = from(w0);
    const optimizer = make([w]);
    for (let t = 0; t < 3; ++t) optimizer.step([from(gradient(m, n, t))]);
    const w3 = Float64Array.from(await w.read());
    return [w3[0] ?? Number.NaN, w3.at(-1) ?? Number.NaN, Math.hypot(...w3.map((x, k) => x - (w0[k] ?? 0)))];
  };

  it.each(rows)('%s', async (_name, make, wide, tall) => {
    for (const [shape, expected] of [
      [[4, 6], wide],
      [[6, 4], tall],
    ] as const) {
      if (!expected) continue;
      const exact = await threeSteps(make, shape[0], shape[1], 'f64');
      const single = await threeSteps(make, shape[0], shape[1], 'f32');
      for (const [i, value] of expected.entries()) {
        expect(exact[i]).toBeCloseTo(value, 9); // ten printed digits
        expect(single[i]).toBeCloseTo(value, 5);
      }
    }
  });

  it.each([
    ['jordan', 0.5949336979, 1.9216951478],
    ['you5', 0.5692173646, 2.0337416406],
    ['polar-express', 0.5384754667, 2.0708368956],
  ] as const)('orthogonalization of G₀ with %s', async (coefficients, first, norm) => {
    const x = Tensor.from(device, gradient(4, 6, 0), [4, 6]);
    const o = Float64Array.from(await orthogonalize(x, { coefficients }).read());
    expect(o[0]).toBeCloseTo(first, 9);
    expect(Math.hypot(...o)).toBeCloseTo(norm, 9);
    if (coefficients === 'jordan') expect(o[23]).toBeCloseTo(0.2562249315, 9);
  });
});
