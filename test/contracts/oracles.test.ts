// Devices: cpu
// The contract of oracles: gradients are those of the values, products those of the gradients; no function changes what
// it is given or the parameters; and nothing is left behind by numbers that are none or by a call that throws. The oracles
// are those that public functions return, by their declared results.
import { describe, expect, it } from 'vitest';
import { Tensor } from '../../lib/index.ts';
import { checkGradient, type Oracle, withDifferences } from '../../lib/solvers/index.ts';
import { ready, Stage } from './call.ts';
import { oracles } from './returned.ts';
import { bitsIn } from './things.ts';

interface Made {
  readonly oracle: Oracle;
  /** The arguments that it was made of. */
  readonly given: unknown;
}

async function made(name: string, stage: Stage): Promise<Made> {
  const { args, options, call } = await ready(name, stage);
  return { oracle: (await call()) as Oracle, given: [args, options] };
}

const zerosLike = ({ params }: Oracle): Tensor[] =>
  params.map(({ device, shape, dtype }) => Tensor.zeros(device, shape, { dtype }));
const direction = ({ params }: Oracle): Tensor[] =>
  params.map(({ device, shape, dtype }, i) => Tensor.randn(device, shape, { seed: 3, stream: i, dtype }));
const scalar = ({ params }: Oracle): Tensor<'f64'> => new Tensor(params[0]!.device, [1], 'f64');

/** A product; that of a loss which has none is refused as such. */
const multiplied = (call: () => void | Promise<void> | undefined): Promise<void> =>
  (async () => await call())().catch((error: { code?: string }) => {
    if (error.code !== 'ERR_UNSUPPORTED') throw error;
  });

/** All that an oracle answers where it stands, in bits. */
async function answers(oracle: Oracle): Promise<unknown> {
  const [value, beside] = [scalar(oracle), scalar(oracle)];
  const [grads, hessian, curved] = [zerosLike(oracle), zerosLike(oracle), zerosLike(oracle)];
  await oracle.value(value);
  await oracle.gradient(grads, beside);
  await multiplied(() => oracle.hessianProduct?.(direction(oracle), hessian));
  await multiplied(() => oracle.gaussNewtonProduct?.(direction(oracle), curved));
  return await bitsIn([value, beside, grads, hessian, curved]);
}

const numbersOf = async (list: readonly Tensor[]): Promise<number[]> =>
  (await Promise.all(list.map((x) => x.read()))).flatMap((part) => Array.from(part));

describe.each(oracles)('%s', (name) => {
  it('has gradients of its values', async () => {
    await using stage = new Stage();
    const { oracle } = await made(name, stage);
    const isSingle = oracle.params[0]!.dtype === 'f32';
    expect(await checkGradient(oracle)).toBeLessThan(isSingle ? 1e-2 : 1e-6);
    // Another gradient is found out.
    const wrong: Oracle = {
      params: oracle.params,
      value: (out) => oracle.value(out),
      async gradient(grads) {
        await oracle.gradient(grads);
        for (const grad of grads) grad.write(Array.from(await grad.read(), (value) => 2 * value));
      },
    };
    expect(await checkGradient(wrong)).toBeGreaterThan(0.3);
  });

  it('has one value, with and without a gradient, and products of its Hessian', async () => {
    await using stage = new Stage();
    const { oracle } = await made(name, stage);
    const [value, beside, grads] = [scalar(oracle), scalar(oracle), zerosLike(oracle)];
    await oracle.value(value);
    await oracle.gradient(grads, beside);
    const [[alone], [together]] = [await value.read(), await beside.read()];
    expect(Math.abs(alone! - together!)).toBeLessThanOrEqual(1e-6 * Math.abs(alone!));
    if (!oracle.hessianProduct) return;
    const [own, other] = [zerosLike(oracle), zerosLike(oracle)];
    await oracle.hessianProduct(direction(oracle), own);
    await withDifferences(oracle).hessianProduct(direction(oracle), other);
    const [found, expected] = [await numbersOf(own), await numbersOf(other)];
    const size = Math.max(1e-3, ...expected.map(Math.abs));
    for (const [i, number] of found.entries()) expect(Math.abs(number - expected[i]!) / size).toBeLessThan(1e-5);
  });

  it('changes neither parameters nor what it was made of', async () => {
    await using stage = new Stage();
    const { oracle, given } = await made(name, stage);
    const before = await bitsIn([given, oracle.params]);
    const first = await answers(oracle);
    expect(await answers(oracle)).toEqual(first);
    await checkGradient(oracle);
    expect(await bitsIn([given, oracle.params])).toEqual(before);
  });

  it('leaves nothing behind of NaN', async () => {
    await using stage = new Stage();
    const { oracle, given } = await made(name, stage);
    const first = await answers(oracle);
    const before = await bitsIn([given, oracle.params]);
    const kept = oracle.params.map((one) => one.copy());
    for (const one of oracle.params) one.write(new Array<number>(one.size).fill(NaN));
    const broken = await bitsIn([given, oracle.params]);
    await answers(oracle);
    await expect(checkGradient(oracle)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(await bitsIn([given, oracle.params])).toEqual(broken);
    for (const [i, one] of oracle.params.entries()) one.write(await kept[i]!.read());
    expect(await bitsIn([given, oracle.params])).toEqual(before);
    expect(await answers(oracle)).toEqual(first);
  });

  it('leaves nothing behind of a call that throws', async () => {
    await using stage = new Stage();
    const { oracle, given } = await made(name, stage);
    const first = await answers(oracle);
    const before = await bitsIn([given, oracle.params]);
    const gone = zerosLike(oracle);
    for (const one of gone) one.dispose();
    const number = scalar(oracle);
    number.dispose();
    const refused = (call: () => unknown) =>
      expect((async () => call())()).rejects.toThrow(/disposed|second derivative/);
    await refused(() => oracle.value(number));
    await refused(() => oracle.gradient(gone));
    if (oracle.hessianProduct) await refused(() => oracle.hessianProduct!(direction(oracle), gone));
    if (oracle.gaussNewtonProduct) await refused(() => oracle.gaussNewtonProduct!(direction(oracle), gone));
    expect(await bitsIn([given, oracle.params])).toEqual(before);
    expect(await answers(oracle)).toEqual(first);
  });
});
