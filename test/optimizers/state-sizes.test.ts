// Devices: cpu
// Values: the sizes of state that the guide states, as formulas of the shape and the options.
import { expect, it } from 'vitest';
import { Device } from '../../lib/index.ts';
import { sizeOf } from '../support/data.ts';
import { classes, tensor } from './classes.ts';

/** A weight seen as matrices, and the bytes of a number of moments. */
interface Seen {
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly width: number;
}
type Bytes = (seen: Seen) => number;

const elements = ({ batch, rows, columns }: Seen): number => batch * rows * columns;
const short = ({ rows, columns }: Seen): number => Math.min(rows, columns);
const long = ({ rows, columns }: Seen): number => Math.max(rows, columns);
const one: Bytes = (seen) => seen.width * elements(seen);
const counter = 4;

/** Low rank, of the first `rank` vectors. */
const rank = 3;
const ranked = (seen: Seen): number => Math.min(rank, short(seen));
const coordinates: Bytes = (seen) =>
  seen.batch * (2 * seen.width * ranked(seen) * long(seen) + 4 * ranked(seen)) + counter;
const codes = (seen: Seen, bytes: number): number => seen.batch * seen.rows * (bytes + 8);

const formulas: [name: string, options: object, bytes: Bytes][] = [
  ['SGD', {}, () => 0],
  ['SGD', { momentum: 0.9 }, (seen) => one(seen) + counter],
  ['AdamW', {}, (seen) => 2 * one(seen) + counter],
  ['AdaGrad', {}, (seen) => one(seen) + counter],
  ['AdaGradNorm', {}, () => 8 + counter],
  ['AdaGradNorm', { scope: 'global' }, () => 8 + counter],
  ['AdaGradNorm', { scope: 'rows' }, ({ batch, rows }) => 8 * batch * rows + counter],
  ['Lion', {}, one],
  ['EG', {}, () => 0],
  ['EG', { momentum: 0.9 }, (seen) => one(seen) + counter],
  ['EG', { variant: 'adamw' }, (seen) => 2 * one(seen) + counter],
  ['DiffGrad', {}, (seen) => 3 * one(seen) + counter],
  ['Muon', {}, one],
  ['NorMuon', {}, (seen) => one(seen) + seen.width * seen.batch * seen.rows],
  ['NorMuon', { axis: 'long' }, (seen) => one(seen) + seen.width * seen.batch * long(seen)],
  ['NorMuon', { variant: 'nanogpt' }, (seen) => one(seen) + seen.width * seen.batch * long(seen)],
  ['Trion', { rank }, one],
  ['DCTAdamW', { rank }, coordinates],
  ['DCTAdamW', { rank, errorFeedback: true }, (seen) => coordinates(seen) + one(seen)],
  ['DCTAdamW', { rank, errorFeedback: '8bit' }, (seen) => coordinates(seen) + codes(seen, seen.columns)],
  ['DCTAdamW', { rank, errorFeedback: '4bit' }, (seen) => coordinates(seen) + codes(seen, Math.ceil(seen.columns / 2))],
  ['Dion', { rank }, (seen) => one(seen) + seen.width * seen.batch * seen.columns * ranked(seen)],
  ['Dion', {}, (seen) => one(seen) + seen.width * seen.batch * seen.columns * short(seen)],
  ['Dion2', {}, one],
  ['NorDion2', {}, (seen) => one(seen) + seen.width * seen.batch * seen.rows],
  ['Conda', {}, (seen) => 2 * one(seen) + 4 * seen.batch * short(seen) ** 2 + counter],
  [
    'Conda',
    { side: 'reverse_std' },
    (seen) => one(seen) + seen.batch * (4 * elements({ ...seen, batch: 1 }) + seen.width * short(seen) ** 2) + counter,
  ],
  ['AuON', {}, one],
  ['HybridAuON', {}, one],
];

it('has a formula for every class', () => {
  expect(new Set(formulas.map(([name]) => name))).toEqual(new Set(classes.map(([name]) => name)));
});

it.each(formulas)(
  '%s %j keeps what its formula says, of matrices, batches, heads and convolutions',
  async (name, options, bytes) => {
    const device = Device.open('cpu', { threads: 1 });
    const Class = new Map(classes).get(name)!;
    const takesHeads = 'heads' in new Class([tensor(device, [4, 6], 1)]).part().schema;
    const shapes: [shape: number[], heads: number | undefined, seen: Omit<Seen, 'width'>][] = [
      [[5, 8], undefined, { batch: 1, rows: 5, columns: 8 }],
      [[9, 2], undefined, { batch: 1, rows: 9, columns: 2 }],
      [[4, 4], undefined, { batch: 1, rows: 4, columns: 4 }],
      [[2, 5, 8], undefined, { batch: 2, rows: 5, columns: 8 }],
      [[3, 7, 2], undefined, { batch: 3, rows: 7, columns: 2 }],
      [[6, 2, 3, 3], undefined, { batch: 1, rows: 6, columns: 18 }],
      ...(takesHeads
        ? ([
            [[12, 5], 3, { batch: 3, rows: 4, columns: 5 }],
            [[12, 2], 2, { batch: 2, rows: 6, columns: 2 }],
          ] as [number[], number, Omit<Seen, 'width'>][])
        : []),
    ];
    for (const [stateDtype, width] of [['f32', 4], ['bf16', 2]] as const) // biome-ignore format: one line
      for (const [shape, heads, seen] of shapes) {
        using optimizer = new Class([tensor(device, shape, 1)], {
          ...options,
          stateDtype,
          ...(heads ? { heads } : {}),
        });
        const expected = bytes({ ...seen, width });
        expect(optimizer.stateBytes, `${shape} of ${heads ?? 'no'} heads in ${stateDtype}`).toBe(expected);
        // Masters of narrow weights come on top, whatever the method.
        using masters = new Class([tensor(device, shape, 1, 1, 'bf16')], {
          ...options,
          stateDtype,
          masterWeights: 'fp32',
          ...(heads ? { heads } : {}),
        });
        expect(masters.stateBytes).toBe(expected + 4 * sizeOf(shape));
      }
    await device.close();
  },
);
