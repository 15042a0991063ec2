import * as check from '../../core/check.ts';
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { flag, kind, type Resolved, readOptions, type Schema, watchers } from '../../core/schema.ts';
import { given, isTensor, Tensor } from '../../core/tensor.ts';
import { Folder } from '../../files/model-folder/folder.ts';
import { few, quote } from '../../files/quote.ts';
import { tensorDtype } from '../../files/safetensors/dtypes.ts';
import { type TensorFile, withTensorFile } from '../../files/safetensors/file.ts';
import { checkPath, type Progress, type TransferOptions } from '../../files/transfer.ts';
import { isNode, type Part, partsOf } from '../../nn/model/tree.ts';
import { LoraLinear } from '../layers/lora-linear.ts';
import { configName, type Factor, partsOfName, tensorName, weightsName } from './layout.ts';
import { type Config, readConfig } from './read-config.ts';
import { moduleOf } from './save-adapter.ts';

/** Options of {@link loadAdapter}; all may be left out. */
export interface LoadAdapterOptions extends TransferOptions {
  /** The name that a layer has in the file, by its path here. Default: the path. */
  readonly name?: ((path: string) => string) | undefined;
  /** Follows symbolic links of the folder's files, as caches of hubs have them. Default: false. */
  readonly followLinks?: boolean | undefined;
}

const schema: Schema<Resolved<LoadAdapterOptions, 'name' | 'signal' | 'onProgress'>> = {
  ...watchers<Progress>(),
  name: kind((x) => typeof x === 'function', 'a function'),
  followLinks: flag(false),
};

/** A linear layer of a model, and the places in which it stands, one at least. */
interface Target {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  readonly parts: Part[];
}

/**
 * Loads a LoRA adapter that peft or {@link saveAdapter} has stored into a model: each linear layer that the file names
 * is exchanged for a {@link LoraLinear} with its factors, rank and scale, in all places where it stands; one that is
 * such a layer gets a new one. Factors take the dtype of the layer's weight. The folder is checked whole before
 * anything changes.
 *
 * @param model holds linear layers, objects with a `weight` `[out, in]`, or layers of {@link LoraLinear}
 * @returns The new layers, by their paths.
 * @example
 * const layers = await loadAdapter('adapter', model, { name: (path) => `transformer.${path}` });
 *
 * @throws ERR_STATE for a file that names no layer of the model, or others besides, whose shapes differ, or whose
 * `lora_B` are all 0: an adapter that does nothing; ERR_FORMAT for files that are not what they say, NaN and infinity;
 * ERR_UNSUPPORTED for what is no plain LoRA; ERR_ARGUMENT for options, frozen fields, and one name of two layers;
 * ERR_DEVICE, ERR_DISPOSED; ERR_IO; ERR_MEMORY; the signal's reason when aborted
 */
export async function loadAdapter(
  folder: string,
  model: object,
  options: LoadAdapterOptions = {},
): Promise<Record<string, LoraLinear>> {
  const op = 'loadAdapter';
  checkPath(op, folder);
  const { name, followLinks, signal, onProgress } = readOptions(op, options, schema);
  signal?.throwIfAborted();
  const targets = targetsIn(op, model, name);
  const opened = await Folder.open(op, 'folder', folder, { followLinks, signal });
  const config = await readConfig(op, opened);
  const reading = withTensorFile(opened.file(weightsName), { op, signal, noFollow: !followLinks }, async (file) => {
    const modules = modulesOf(op, file, targets, config);
    using owned = new Owned<Tensor>();
    const total = [...file.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    let done = 0;
    const read = async (module: string, factor: Factor, { device, dtype }: Tensor): Promise<Tensor> => {
      const own = tensorName(module, factor);
      const info = file.tensors.get(own)!;
      const data = await file.read(own, (count) => {
        done += count;
        onProgress?.({ done, total });
      });
      const made = owned.add(given(device, data as never, info.shape, tensorDtype(op, own, info)));
      return made.dtype === dtype ? made : owned.add(made.cast(dtype));
    };
    const factors: { module: string; target: Target; a: Tensor; b: Tensor }[] = [];
    for (const module of modules) {
      const target = targets.get(module)!;
      check.alive(op, `${target.parts[0]!.path}.weight`, target.weight);
      const a = await read(module, 'lora_A', target.weight);
      factors.push({ module, target, a, b: await read(module, 'lora_B', target.weight) });
    }
    await checkContents(op, factors);
    signal?.throwIfAborted();
    // All layers are there before the first takes its place.
    using made = new Owned<LoraLinear>();
    const exchanges = factors.map(({ module, target: { weight, bias, parts }, a, b }) => {
      for (const { path, owner, key } of parts)
        if (!isWritable(owner, key)) throw refusal(op, path, 'be a field that can be written', 'a frozen one');
      const alpha = config.alphaOf(module);
      const layer = made.add(LoraLinear.of({ weight, bias, a, b, alpha, rslora: config.rslora }));
      owned.release(a);
      owned.release(b);
      return { layer, parts };
    });
    const layers: Record<string, LoraLinear> = Object.create(null);
    for (const { layer, parts } of exchanges)
      for (const { path, owner, key } of parts) {
        owner[key] = layer;
        layers[path] = layer;
      }
    made.move();
    return layers;
  });
  return await opened.guarded(weightsName, reading);
}

/** True for a field that takes another value without an error. */
function isWritable(owner: object, key: string): boolean {
  const field = Object.getOwnPropertyDescriptor(owner, key);
  return field !== undefined && (field.writable ?? field.set !== undefined);
}

/**
 * The layers of a model that may be adapted, by their names in the file: one that stands in several places has several.
 * @throws ERR_ARGUMENT for one name of two layers
 */
function targetsIn(op: string, model: object, name: ((path: string) => string) | undefined): Map<string, Target> {
  const targets = new Map<string, Target>();
  const byValue = new Map<object, Target>();
  for (const part of partsOf(op, model)) {
    const { value } = part;
    if (!isNode(value)) continue;
    const { weight, bias } = value;
    const isLinear = value instanceof LoraLinear || !('apply' in value || 'lora' in value);
    if (!isLinear || !isTensor(weight) || weight.shape.length !== 2) continue;
    const target = byValue.get(value) ?? { weight, bias: isTensor(bias) ? bias : undefined, parts: [] };
    const module = moduleOf(op, part.path, name);
    if ((targets.get(module) ?? target) !== target)
      throw refusal(op, 'name', 'give each layer one of its own', `${quote(module)} twice`);
    target.parts.push(part);
    byValue.set(value, target);
    targets.set(module, target);
  }
  return targets;
}

/** The modules of a file, all of them layers of the model that fit. */
function modulesOf(op: string, file: TensorFile, targets: ReadonlyMap<string, Target>, config: Config): string[] {
  const bad = (what: string): OrthokitError => new OrthokitError('ERR_STATE', `${op}: ${what}`);
  const modules = new Set<string>();
  const unmatched: string[] = [];
  for (const own of file.tensors.keys()) {
    const parts = partsOfName(own);
    if (parts && targets.has(parts.module)) modules.add(parts.module);
    else unmatched.push(own);
  }
  const layers = `the model has ${targets.size} linear layers: ${few([...targets.keys()], quote)}`;
  if (modules.size === 0)
    throw bad(`file must name layers of the model, got none in ${file.tensors.size} names: ${few(unmatched, quote)}; ${layers}`); // biome-ignore format: one line
  if (unmatched.length > 0)
    throw bad(`file must name layers of the model alone, got ${unmatched.length} other names: ${few(unmatched, quote)}; ${layers}`); // biome-ignore format: one line
  const named = new Map<Target, string>();
  for (const module of modules) {
    const target = targets.get(module)!;
    const first = named.get(target);
    if (first !== undefined)
      throw bad(`file must name each layer of the model once, got ${quote(first)} and ${quote(module)} of one layer`);
    named.set(target, module);
    const [outputs, inputs] = target.weight.shape as [number, number];
    const rank = config.rankOf(module);
    for (const [factor, shape] of [
      ['lora_A', [rank, inputs]],
      ['lora_B', [outputs, rank]],
    ] as const) {
      const own = tensorName(module, factor);
      const info = file.tensors.get(own);
      if (!info) throw bad(`file must have both factors of a layer, got no ${quote(own)}`);
      if (info.shape.join() !== shape.join())
        throw bad(`tensor ${quote(own)} must be [${shape}] by ${configName} and the model, got [${info.shape}]`);
      if (!(check.floating as readonly string[]).includes(tensorDtype(op, own, info)))
        throw bad(`tensor ${quote(own)} must be floating, got ${shown(info.dtype)}`);
    }
  }
  // In the order of the model.
  return [...targets.keys()].filter((module) => modules.has(module));
}

/** @throws ERR_FORMAT for NaN and infinity; ERR_STATE where all b are 0 */
async function checkContents(
  op: string,
  factors: readonly { readonly module: string; readonly a: Tensor; readonly b: Tensor }[],
): Promise<void> {
  const { device } = factors[0]!.a;
  using squares = new Tensor(device, [2 * factors.length], 'f64');
  for (const [i, { a, b }] of factors.entries())
    for (const [j, x] of [a, b].entries()) {
      using flat = x.reshape([1, x.size]);
      using place = squares.rows(2 * i + j, 2 * i + j + 1);
      ops.rowReduce(device, { x: flat, out: place, reduction: 'sum_of_squares' });
    }
  const found = await squares.read();
  const wrong = found.findIndex((square) => !Number.isFinite(square));
  if (wrong >= 0) {
    const own = tensorName(factors[Math.floor(wrong / 2)]!.module, wrong % 2 === 0 ? 'lora_A' : 'lora_B');
    throw new OrthokitError('ERR_FORMAT', `${op}: tensor ${quote(own)} must be finite, got NaN or infinity`);
  }
  if (factors.every((_, i) => found[2 * i + 1] === 0))
    throw new OrthokitError(
      'ERR_STATE',
      `${op}: lora_B must not be 0 in every layer, got an adapter that does nothing`,
    );
}
