import { Tensor } from '../../../lib/index.ts';
import { denseMeasurement, MatrixSensing, SubGradientRecovery } from '../../../lib/lowrank/index.ts';
import { normal } from '../../support/data.ts';
import type { Call, Scene } from '../call.ts';

/** Most entries of a matrix of rank 1. */
const entries = () => {
  const places = Array.from({ length: 12 }, (_, e) => e).filter((e) => e % 5 !== 4);
  return {
    rows: Int32Array.from(places, (e) => Math.floor(e / 3)),
    cols: Int32Array.from(places, (e) => e % 3),
    values: Float64Array.from(places, (e) => (1 + Math.floor(e / 3)) * (1 + (e % 3))),
    shape: [4, 3] as const,
  };
};
const matrices = ({ device }: Scene) => Tensor.from(device, normal(5 * 9, 1), [5, 3, 3]);
const measurement = (on: Scene) => denseMeasurement(matrices(on));
const y = ({ device }: Scene) => Tensor.from(device, normal(5, 2), [5]);
const sensing = (on: Scene) => new MatrixSensing(measurement(on), y(on), { rank: 1 });
const recovery = (on: Scene) => new SubGradientRecovery(measurement(on), y(on), { rank: 1 });

export const calls: Record<string, Call> = {
  completeMatrix: {
    args: () => [entries()],
    options: ({ device }) => ({ rank: 1, device, maxIterations: 3 }),
    refused: [{ rank: 4 }, { solver: 'direct', solverTol: 0.1 }, { heldOut: 1 }],
  },
  denseMeasurement: { args: (on) => [matrices(on)] },
  entryMeasurement: {
    args: ({ device }) => [{ rows: Int32Array.of(0), cols: Int32Array.of(1), shape: [2, 2] }, device],
  },
  rankOneMeasurement: {
    args: ({ device }) => [Tensor.from(device, normal(6, 1), [3, 2]), Tensor.from(device, normal(6, 2), [3, 2])],
  },
  MatrixSensing: {
    args: (on) => [measurement(on), y(on)],
    options: () => ({ rank: 1 }),
    refused: [{ rank: 4 }, { form: 'symmetric', beta: 1 }, { form: 'asymmetric', switchTol: 1 }],
  },
  'MatrixSensing.run': { of: sensing, args: () => [2], options: () => ({}) },
  SubGradientRecovery: {
    args: (on) => [measurement(on), y(on)],
    options: () => ({ rank: 1 }),
    refused: [{ decay: 1 }],
  },
  'SubGradientRecovery.run': { of: recovery, args: () => [2], options: () => ({}) },
};
