// Devices: cpu, cuda
// Values: products and eigenvalues in plain loops and by formula.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { checkAdjoint, lanczos, matrixOperator } from '../../lib/solvers/index.ts';
import { devices } from '../support/devices.ts';
import { codeOf, diagonal, type Matrix, vector } from './problems.ts';

const of = (device: Device, rows: Matrix) =>
  Tensor.from(device, Float64Array.from(rows.flat()), [rows.length, rows[0]!.length]);

describe.each(devices)('matrixOperator on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('multiplies both ways', async () => {
    const operator = matrixOperator(of(device, [[1, 2, 3], [4, 5, 6]])); // biome-ignore format: one line
    const [long, short] = [Tensor.zeros(device, [3], { dtype: 'f64' }), Tensor.zeros(device, [2], { dtype: 'f64' })];
    operator.apply(vector(device, [1, 0, -1]), short);
    operator.adjoint(vector(device, [1, -1]), long);
    expect([[...(await short.read())], [...(await long.read())]]).toEqual([[-2, -2], [-3, -3, -3]]); // biome-ignore format: one line
    expect(await checkAdjoint(operator)).toBeLessThan(1e-15);
    expect(operator.shape).toEqual([2, 3]);
  });

  it('takes the steps of lanczos that functions take', async () => {
    const n = 70;
    const rows = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 2 : Math.abs(i - j) === 1 ? -1 : 0))); // biome-ignore format: one line
    const operator = matrixOperator(of(device, rows));
    const told: number[] = [];
    const whole = await lanczos(operator, { steps: n, onProgress: ({ iterations }) => void told.push(iterations) });
    const other = await lanczos({ ...operator }, { steps: n });
    expect([whole.iterations, whole.status, told.length]).toEqual([n, 'max-iterations', n]);
    for (const [k, value] of whole.ritz.entries()) {
      expect(Math.abs(value - (2 - 2 * Math.cos(((k + 1) * Math.PI) / (n + 1))))).toBeLessThan(1e-12);
      expect(Math.abs(value - other.ritz[k]!)).toBeLessThan(1e-12);
    }
    const few = await lanczos(matrixOperator(of(device, diagonal([1, 1, 4, 4, -9]))), { steps: 50 });
    expect([few.status, few.ritz.length]).toEqual(['breakdown', 3]);
  });

  it('names what does not fit', async () => {
    const matrix = of(device, diagonal([1, 2]));
    const operator = matrixOperator(matrix);
    const three = vector(device, [1, 2, 3]);
    expect(() => operator.apply(three, three)).toThrow('matrixOperator.apply: x must have shape [2], got [3]');
    expect(() => operator.adjoint(vector(device, [1, 2]), three)).toThrow(
      'matrixOperator.adjoint: out must have shape [2], got [3]',
    );
    expect(() => matrixOperator(three)).toThrow('matrixOperator: matrix must have shape');
    expect(() => matrixOperator(new Tensor(device, [2, 2], 'i32'))).toThrow('matrixOperator: matrix must be');
    const nan = matrixOperator(of(device, [[NaN, 0], [0, 1]])); // biome-ignore format: one line
    await expect(lanczos(nan)).rejects.toThrow('lanczos: operator.apply must give numbers, got NaN');
    matrix.dispose();
    expect(await codeOf(lanczos(operator))).toBe('ERR_DISPOSED');
  });
});
