// Devices: cpu
import { afterAll, describe, expect, it } from 'vitest';
import * as check from '../../lib/core/check.ts';
import { Device, Dictionary, Tensor } from '../../lib/index.ts';
import { thrownBy } from '../support/tensors.ts';

const device = Device.open('cpu', { threads: 1 });
const other = Device.open('cpu', { threads: 1 });
afterAll(() => Promise.all([device.close(), other.close()]));
const matrix = Tensor.zeros(device, [2, 3]);
const disposed = Tensor.zeros(device, [1]);
disposed.dispose();

const refused = (x: unknown, demands: check.TensorDemands) => thrownBy(() => check.tensor('f', 'x', x, demands));

it('takes a tensor that is as demanded', () => {
  const { floating: dtypes } = check;
  for (const demands of [{}, { dtypes }, { rank: 2 }, { shape: [2, undefined] }, { filled: true }, { device }])
    expect(check.tensor('f', 'x', matrix, demands)).toBe(undefined);
  check.tensor('f', 'x', Tensor.zeros(device, [0, 3]), { rank: 2, shape: [undefined, 3] });
});

describe('refuses', () => {
  it.each<[string, unknown, check.TensorDemands, string, string]>([
    ['no tensor', { shape: [2, 3] }, {}, 'ERR_ARGUMENT', 'must be a Tensor, got an object'],
    ['a proxy of one', new Proxy(matrix, {}), {}, 'ERR_ARGUMENT', 'must be a Tensor, got an object'],
    ['what is gone', disposed, { rank: 2 }, 'ERR_DISPOSED', 'has been disposed'],
    [
      'integers',
      Tensor.zeros(device, [1], { dtype: 'u8' }),
      { dtypes: check.floating },
      'ERR_DTYPE',
      'must be floating, got u8',
    ],
    ['another dtype', matrix, { dtypes: ['f64'] }, 'ERR_DTYPE', 'must be f64, got f32'],
    ['none of some dtypes', matrix, { dtypes: ['f64', 'f16', 'i32'] }, 'ERR_DTYPE', 'must be f64, f16 or i32, got f32'],
    ['a vector', Tensor.zeros(device, [4]), { rank: 2 }, 'ERR_SHAPE', 'must be a matrix, got [4]'],
    ['a matrix', matrix, { rank: 1 }, 'ERR_SHAPE', 'must be a vector, got [2,3]'],
    ['rank 2', matrix, { rank: 3 }, 'ERR_SHAPE', 'must have rank 3, got [2,3]'],
    [
      'nothing',
      Tensor.zeros(device, [0, 3]),
      { rank: 2, filled: true },
      'ERR_SHAPE',
      'must be a matrix with elements, got [0,3]',
    ],
    [
      'no matrix',
      Tensor.zeros(device, [4]),
      { rank: 2, filled: true },
      'ERR_SHAPE',
      'must be a matrix with elements, got [4]',
    ],
    ['the rank of another shape', matrix, { shape: [6] }, 'ERR_SHAPE', 'must have shape [6], got [2,3]'],
    ['another size', matrix, { shape: [undefined, 4] }, 'ERR_SHAPE', 'must have shape [any,4], got [2,3]'],
    [
      'a size with a meaning',
      matrix,
      { shape: [5, 3], shapeIs: 'have a row an atom, 5' },
      'ERR_SHAPE',
      'must have a row an atom, 5, got [2,3]',
    ],
    [
      'the wrong rank of it',
      matrix,
      { shape: [5], shapeIs: 'have an element an atom, 5' },
      'ERR_SHAPE',
      'must be a vector, got [2,3]',
    ],
    ['another device', matrix, { device: other }, 'ERR_DEVICE', 'is on another device'],
  ])('%s', (_, x, demands, code, message) => {
    expect(refused(x, demands)).toEqual({ code, message: `f: x ${message}` });
  });

  it('what is of another class', () => {
    expect(thrownBy(() => check.device('f', 'device', 'cpu'))).toEqual({
      code: 'ERR_ARGUMENT',
      message: "f: device must be a Device, got 'cpu'",
    });
    expect(thrownBy(() => check.instance('f', 'atoms', matrix, Dictionary)).message).toBe(
      'f: atoms must be a Dictionary, got an object',
    );
    check.instance('f', 'device', device, Device);
  });
});
