import { CurriculumSynthesizer } from '../../../lib/data/index.ts';
import { ops, Tensor } from '../../../lib/index.ts';
import type { Call, Scene } from '../call.ts';

const rows = ({ device }: Scene, count: number, seed: number): Tensor => Tensor.randn(device, [count, 3], { seed });

const course = { shape: [2, 4, 4, 1] as const, labels: [0, 1], iterations: 5, jitter: 1, mean: [0.5], std: [0.5] };
const synthesizer = ({ device }: Scene): CurriculumSynthesizer => new CurriculumSynthesizer(device, course);
const teacher = (images: Tensor, _labels: Int32Array, gradOut: Tensor): number => {
  ops.copy(images.device, { out: [gradOut], x: [images] });
  return 1;
};

export const calls: Record<string, Call> = {
  transductiveCluster: {
    options: (on) => ({
      support: rows(on, 2, 1),
      supportLabels: Int32Array.of(0, 1),
      query: rows(on, 6, 2),
      classes: 2,
      tol: 0,
    }),
    refused: [
      { normalize: 'cl2n' },
      { mode: 'modes', assignments: 'soft' },
      { mode: 'means', sigma: 1 },
      { mode: 'modes', neighbours: 1 },
      { neighbours: 9 },
    ],
    takes: ['any rank'],
  },
  laplacianKModes: {
    args: (on) => [rows(on, 8, 3), 2],
    options: () => ({ tol: 0 }),
    refused: [
      { mode: 'modes', assignments: 'soft' },
      { mode: 'means', sigma: 1 },
      { mode: 'modes', neighbours: 1 },
      { neighbours: 9 },
    ],
    takes: ['any rank'],
  },
  curriculumScale: { args: () => [1], options: () => ({ iterations: 4 }) },
  bnStatisticsLoss: {
    args: (on) => [rows(on, 4, 5), Tensor.zeros(on.device, [3]), Tensor.full(on.device, [3], 1)],
    options: () => ({}),
    takes: ['any rank'],
  },
  CurriculumSynthesizer: { args: ({ device }) => [device], options: () => course },
  'CurriculumSynthesizer.step': { of: synthesizer, args: () => [teacher] },
  'CurriculumSynthesizer.save': {
    of: synthesizer,
    args: ({ folder }) => [folder.file('saved')],
    options: () => ({}),
    state: {
      advance: async (one: CurriculumSynthesizer) => void (await one.step(teacher)),
      again: async (_, on) => synthesizer(on),
      beside: () => [],
    },
  },
  'CurriculumSynthesizer.load': {
    of: synthesizer,
    args: async (on) => {
      using one = synthesizer(on);
      await one.step(teacher);
      await one.save(on.folder.file('saved'));
      return [on.folder.file('saved')];
    },
    options: () => ({}),
  },
  'CurriculumSynthesizer.images': { of: synthesizer, options: () => ({}) },
};
