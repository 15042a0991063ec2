// Devices: cpu, cuda
// Source: closed form "moves to the neighbour that the gradient pulls to, and its logits along"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { codedMatrix, fieldsOfCoded, packed } from '../../support/coded.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const fieldsOf =
  (rows: number, columns: number, bits: number, reach: 'neighbours' | 'all', pull: 'proximal' | 'default') =>
  (on: Device) => {
    const count = reach === 'all' ? 2 ** bits : 3;
    const shape = [count, rows, columns];
    return {
      ...fieldsOfCoded(on, rows, columns, bits),
      grad: tensorOf(on, normal(rows * columns, 3), [rows, columns]),
      logits: tensorOf(on, normal(count * rows * columns, 4), shape),
      momentum: tensorOf(on, normal(count * rows * columns, 5), shape),
      squares: tensorOf(on, normal(rows * columns, 6).map((x) => x * x), [rows, columns]), // biome-ignore format: one line
      ...{ reach, pull, lr: 0.3, correction1: 0.2, correction2: 0.1 },
    };
  };

describe.each(devices)('refine_codes on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    [1, 1, 1, 'neighbours', 'proximal'],
    [5, 150, 4, 'neighbours', 'proximal'],
    [3, 129, 3, 'all', 'default'],
    [3, 40, 2, 'all', 'proximal'],
    [2, 40, 8, 'neighbours', 'default'],
    [3, 300, 5, 'neighbours', 'proximal'],
    [2, 144, 3, 'neighbours', 'default'],
  ] as const)('of %i rows of %i, %i bits, %s, %s', (rows, columns, bits, reach, pull) =>
    expectLikeReference('refineCodes', device, fieldsOf(rows, columns, bits, reach, pull), { ulps: 32, of: 'largest' }),
  );

  it('moves to the neighbour that the gradient pulls to, and its logits along', async () => {
    const codebooks = tensorOf(device, [0, 1, 3, 7], [1, 4]);
    const rowBooks = Tensor.zeros(device, [1, 2], { dtype: 'u8' });
    const codes = Tensor.from(device, packed([[1, 1, 3]], 2), [1, 16]);
    const zeros = (shape: number[]) => Tensor.zeros(device, shape);
    const [momentum, squares] = [zeros([3, 1, 3]), zeros([1, 3])];
    const logits = tensorOf(device, [0, 0, 0, 1, 1, 1, 0, 0, 0], [3, 1, 3]);
    const grad = tensorOf(device, [-4, 4, -1], [1, 3]);
    ops.refineCodes(device, {
      ...{ grad, codebooks, rowBooks, logits, momentum, squares, codes, bits: 2 },
      ...{ lr: 2, beta1: 0, beta2: 0 },
    });
    // Pulls are −g / d: of element 0, −4 / −1 = 4 back and −2 on, whose squares have the mean 20 / 3.
    expect([...(await codes.read())].slice(0, 16)).toEqual([...packed([[2, 0, 3]], 2)].slice(0, 16));
    const [found, unit] = [await valuesOf(logits), Math.sqrt(20 / 3)];
    const at = (k: number, j: number) => found[3 * k + j]!;
    expect([at(0, 0), at(1, 0), at(2, 0)].map((x) => x * unit)).toEqual([unit, 4, 0].map((x) => expect.closeTo(x, 5)));
    expect([at(0, 1), at(1, 1), at(2, 1)].map((x) => x * unit)).toEqual([0, 8, unit].map((x) => expect.closeTo(x, 5)));
  });

  it('leaves elements whose number or codebook is not there', async () => {
    const { codes, rowBooks } = codedMatrix(device, 2, 20, 3);
    const fields = fieldsOf(2, 20, 3, 'neighbours', 'proximal')(device);
    const [before, book] = [[...(await codes.read())], tensorOf(device, [1], [1, 1])];
    ops.refineCodes(device, { ...fields, codes, rowBooks, codebooks: book });
    expect([...(await codes.read())]).toEqual(before);
  });

  it('refuses what does not fit', () => {
    const good = () => fieldsOf(2, 16, 2, 'neighbours', 'proximal')(device);
    const code = (more: object) => thrownBy(() => ops.refineCodes(device, { ...good(), ...more })).code;
    const zeros = (shape: number[], dtype: 'f32' | 'f64' = 'f32') => Tensor.zeros(device, shape, { dtype });
    expect(code({ grad: zeros([2, 16], 'f64') })).toBe('ERR_DTYPE');
    expect(code({ grad: zeros([32]) })).toBe('ERR_SHAPE');
    expect(code({ grad: zeros([3, 16]) })).toBe('ERR_SHAPE');
    expect(code({ squares: zeros([2, 16], 'f64') })).toBe('ERR_DTYPE');
    expect(code({ squares: zeros([2, 17]) })).toBe('ERR_SHAPE');
    expect(code({ logits: zeros([3, 2, 16], 'f64') })).toBe('ERR_DTYPE');
    expect(code({ momentum: zeros([4, 2, 16]) })).toBe('ERR_SHAPE');
    expect(code({ reach: 'all' })).toBe('ERR_SHAPE');
    expect(code({ lr: -1 })).toBe('ERR_ARGUMENT');
    expect(code({ beta1: 1 })).toBe('ERR_ARGUMENT');
    expect(code({ beta2: 1 })).toBe('ERR_ARGUMENT');
    expect(code({ correction1: 0 })).toBe('ERR_ARGUMENT');
    expect(code({ correction2: 0 })).toBe('ERR_ARGUMENT');
  });
});
