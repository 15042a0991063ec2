import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { OrthokitError, refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { isRecord } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import { flag, kind, type Resolved, readOptions, type Schema, word } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { Folder } from '../files/model-folder/folder.ts';
import { Weights } from '../files/model-folder/weights.ts';
import { quote } from '../files/quote.ts';
import { newTensor } from '../files/safetensors/new-tensor.ts';
import { checkPath } from '../files/transfer.ts';
import { CodebookLinear } from './codebook/codebook-linear.ts';
import { type Form, formsOf, layoutKey, partsOf } from './folders/layout.ts';
import { type QuantActivations, type QuantBits, QuantLinear } from './quant-linear.ts';

/** Options of {@link loadCompressed}. */
export interface LoadCompressedOptions {
  /** Ends the call with the signal's reason. Default: none. */
  readonly signal?: AbortSignal | undefined;
  /** Follow symbolic links in the folder, as a download cache has them. Default: `false`. */
  readonly followLinks?: boolean | undefined;
  /**
   * Numbers that layers of groups multiply: see {@link QuantLinear.from}. `'i8'` is refused for a folder without such
   * layers. Default: `'f32'`.
   */
  readonly activations?: QuantActivations | undefined;
}

const schema: Schema<Resolved<LoadCompressedOptions, 'signal'>> = {
  signal: kind((x) => x instanceof AbortSignal, 'an AbortSignal'),
  followLinks: flag(false),
  activations: word<QuantActivations>(['f32', 'i8'], 'f32'),
};

/**
 * The weights of a folder that {@link compressModel} has made: a layer without bias for each matrix that is compressed,
 * by the name that the matrix had, and a tensor for each other. They are the caller's. Everything is checked before it
 * counts: parts that are not there or of another size, scales and codebooks with NaN or infinity, and codes that their
 * codebook does not have, are refused.
 *
 * @param folder a model folder; one without compressed matrices gives tensors alone
 * @throws ERR_ARGUMENT; ERR_FORMAT for another version of the layout, and for files that are not what they say; ERR_IO
 * with the system's error as `cause`; ERR_UNSUPPORTED for element types that tensors lack; ERR_MEMORY; ERR_DISPOSED;
 * the signal's reason when aborted
 * @example
 * const weights = await loadCompressed('small', device);
 * const layer = weights['layers.0.mlp.up.weight'] as QuantLinear;
 */
export async function loadCompressed(
  folder: string,
  device: Device,
  options: LoadCompressedOptions = {},
): Promise<Record<string, Tensor | QuantLinear | CodebookLinear>> {
  const where = 'loadCompressed';
  checkPath(where, folder);
  check.device(where, 'device', device);
  const { signal, followLinks, activations } = readOptions(where, options, schema);
  signal?.throwIfAborted();
  const opened = await Folder.open(where, 'folder', folder, { followLinks, signal });
  const config = await opened.readJson('config.json', (key) => key === 'quantization_config');
  const weights = await Weights.open(opened);
  using owned = new Owned();
  const loaded: Record<string, Tensor | QuantLinear | CodebookLinear> = Object.create(null);
  const once = (name: string): void => {
    if (name in loaded) throw refusal(where, `tensor ${quote(name)}`, 'be there once', 'it twice', 'ERR_FORMAT');
  };
  try {
    await checkMetadata(opened, weights, config?.['quantization_config']);
    for (const shard of weights.shards) {
      const file = await weights.shard(shard);
      const forms = formsOf(where, file.metadata);
      const parts = new Set<string>();
      for (const [name, form] of forms) {
        const read = async (): Promise<readonly Tensor[]> => {
          const tensors: Tensor[] = [];
          for (const { suffix, dtype, shape } of partsOf(form)) {
            const info = file.tensors.get(name + suffix);
            const got = info ? `${info.dtype} [${info.shape}]` : 'none';
            if (got !== `${dtype} [${shape}]`)
              throw refusal(where, `tensor ${quote(name + suffix)}`, `be ${dtype} [${shape}]`, got, 'ERR_FORMAT');
            parts.add(name + suffix);
            tensors.push(owned.add(await newTensor(where, device, file, name + suffix)));
          }
          return tensors;
        };
        once(name);
        loaded[name] = layerOf(form, await read(), activations, owned);
        await checkNumbers(where, name, loaded[name]);
        if (loaded[name] instanceof CodebookLinear) await checkCodes(where, name, loaded[name]);
        signal?.throwIfAborted();
      }
      for (const name of file.tensors.keys()) {
        if (parts.has(name)) continue;
        once(name);
        loaded[name] = owned.add(await newTensor(where, device, file, name));
        signal?.throwIfAborted();
      }
    }
  } finally {
    await weights.close();
  }
  if (activations === 'i8' && !Object.values(loaded).some((part) => part instanceof QuantLinear))
    throw refusal(where, 'activations', `be 'f32' for a folder without layers of groups`, activations);
  for (const thing of [...owned]) owned.release(thing);
  return loaded;
}

/** @throws ERR_FORMAT where the configuration says that matrices are compressed, and no file says how they lie */
async function checkMetadata(folder: Folder, weights: Weights, quantization: unknown): Promise<void> {
  if (!isRecord(quantization) || quantization['quant_method'] !== 'orthokit') return;
  for (const shard of weights.shards) if ((await weights.shard(shard)).metadata.has(layoutKey)) return;
  folder.fail(`the metadata of weights must have ${layoutKey}, as config.json says, got none`);
}

/** A layer of parts, whose bytes it has from now on. */
function layerOf(
  form: Form,
  tensors: readonly Tensor[],
  activations: QuantActivations,
  owned: Owned,
): QuantLinear | CodebookLinear {
  const [codes, numbers, rowBooks] = tensors as [Tensor, Tensor, Tensor?];
  const inputs = form.shape[1];
  if (form.method === 'group') {
    const bits = form.bits as QuantBits;
    const layer = owned.add(QuantLinear.from({ codes, scales: numbers, inputs, bits, activations }));
    for (const tensor of tensors) owned.drop(tensor);
    return layer;
  }
  const layer = owned.add(
    CodebookLinear.from({ codes, codebooks: numbers, rowBooks: rowBooks!, inputs, bits: form.bits }),
  );
  for (const tensor of tensors) owned.drop(tensor);
  return layer;
}

/** @throws ERR_FORMAT for scales, and for numbers of codebooks, that are NaN or infinite: no compression gives them */
async function checkNumbers(where: string, name: string, layer: QuantLinear | CodebookLinear): Promise<void> {
  const { device } = layer.codes;
  using guard = vectors.scalar(device);
  ops.checkFinite(device, { x: layer.parameters, guard });
  const [wrong] = await guard.read();
  if (wrong! > 0) {
    const part = layer instanceof QuantLinear ? 'scales' : 'codebooks';
    throw refusal(where, `${part} of ${quote(name)}`, 'be finite', 'NaN or infinity', 'ERR_FORMAT');
  }
}

/** @throws ERR_FORMAT for codes, and for rows, whose codebook is not there */
async function checkCodes(where: string, name: string, layer: CodebookLinear): Promise<void> {
  try {
    await layer.codeCounts();
  } catch (cause) {
    if (!(cause instanceof OrthokitError && cause.code === 'ERR_STATE')) throw cause;
    const text = `${where}: codes of ${quote(name)} must be of their codebook, got some that are not`;
    throw new OrthokitError('ERR_FORMAT', text, { cause });
  }
}
