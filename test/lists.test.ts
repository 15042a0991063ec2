// Devices: cpu
// Lists of the caller's: a hole is no element, and ends the look at a list at once, however long it is.
import { afterAll, describe, expect, it } from 'vitest';
import { combine, Device, Muon, matchVocabularies, OrthokitError, RandomStream, Tensor } from '../lib/index.ts';
import { classes } from './optimizers/classes.ts';
import { thrownBy } from './support/tensors.ts';

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());
const weight = Tensor.zeros(device, [4, 4]);
const holes = (length: number): never => new Array(length) as never;
/** One tensor, and a hole. */
const partly = (): never => Object.assign(new Array(2), { 0: weight }) as never;
const codeOf = (call: () => unknown) => thrownBy(call).code;

/** As many holes as would take seconds to be visited. */
const many = 1e8;

describe('a list with holes', () => {
  it.each(classes)('is no list of parameters of %s', (_, Class) => {
    for (const params of [holes(1), holes(many), partly(), [{ params: holes(1) }], [{ params: holes(many) }], [{ params: partly() }]]) // biome-ignore format: one line
      expect(codeOf(() => new Class(params as never))).toBe('ERR_ARGUMENT');
  });

  it('is no list of gradients, parts, coefficients or betas', () => {
    const muon = new Muon([weight]);
    expect(codeOf(() => muon.step(holes(1)))).toBe('ERR_ARGUMENT');
    expect(codeOf(() => muon.step(holes(many)))).toBe('ERR_ARGUMENT');
    for (const length of [1, many]) {
      expect(codeOf(() => combine(holes(length)))).toBe('ERR_ARGUMENT');
      for (const coefficients of [holes(length), [holes(3)], [holes(length)]])
        expect(codeOf(() => new Muon([weight], { coefficients } as never))).toBe('ERR_ARGUMENT');
    }
    for (const [name, Class] of classes)
      if (name.startsWith('Adam') || name === 'Lion')
        for (const betas of [holes(2), holes(many), [0.9]])
          expect(codeOf(() => new Class([weight], { betas } as never))).toBe('ERR_ARGUMENT');
  });

  it('is not filled with random numbers', () => {
    const random = new RandomStream(1);
    const { state } = random;
    for (const tensors of [holes(3), holes(many), partly()])
      expect(codeOf(() => random.fillNormal(tensors))).toBe('ERR_ARGUMENT');
    expect(random.state).toEqual(state);
  });

  it('is no shape and no data', () => {
    for (const shape of [holes(1), holes(many)]) expect(codeOf(() => Tensor.zeros(device, shape))).toBe('ERR_SHAPE');
    expect(codeOf(() => Tensor.from(device, holes(2), [2]))).toBe('ERR_ARGUMENT');
    expect(codeOf(() => Tensor.from(device, holes(many), [2]))).toBe('ERR_ARGUMENT');
  });
});

describe('values that are nothing of what is wanted', () => {
  const detached = new Float32Array(4);
  structuredClone(detached, { transfer: [detached.buffer] });
  it.each([
    ['undefined', undefined],
    ['null', null],
    ['an object', {}],
    ['a list', []],
    ['a text', 'a'],
    ['an array that is detached', detached],
    ['an object without a prototype', Object.create(null)],
    ['a symbol', Symbol('a')],
  ])('%s', (_, value) => {
    const wrong = value as never;
    expect(codeOf(() => new RandomStream(wrong))).toBe('ERR_ARGUMENT');
    expect(codeOf(() => RandomStream.restore(wrong))).toBe('ERR_STATE');
    expect(codeOf(() => RandomStream.restore({ seed: wrong, stream: 0, offset: 0 }))).toBe('ERR_STATE');
    expect(codeOf(() => matchVocabularies(wrong, wrong))).toBe('ERR_ARGUMENT');
  });
});

it('messages stay short, however long a value is', () => {
  const { message } = new OrthokitError('ERR_STATE', `a${'x'.repeat(1e6)}b`);
  expect(message).toMatch(/^ax+ … x+b$/);
  expect(message.length).toBe(1000);
  expect(new OrthokitError('ERR_STATE', 'a'.repeat(1000)).message).toBe('a'.repeat(1000));
});
