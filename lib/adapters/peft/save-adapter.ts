import path from 'node:path';
import { refusal, shown } from '../../core/errors.ts';
import { kind, type Resolved, readOptions, type Schema, watchers } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { attempt, calls, systemCode } from '../../files/calls.ts';
import { quote } from '../../files/quote.ts';
import { replaceBytes } from '../../files/replace.ts';
import { snapshot } from '../../files/safetensors/index.ts';
import { writeTensorFile } from '../../files/safetensors/write.ts';
import { checkPath, type Progress, type TransferOptions } from '../../files/transfer.ts';
import { partsOf } from '../../nn/model/tree.ts';
import { LoraLinear } from '../layers/lora-linear.ts';
import { configOf } from './config.ts';
import { configName, tensorName, weightsName } from './layout.ts';

/** Options of {@link saveAdapter}; all may be left out. */
export interface SaveAdapterOptions extends TransferOptions {
  /** The name that a layer has in the model of the other program, by its path here. Default: the path. */
  readonly name?: ((path: string) => string) | undefined;
  /** The place of the base, for those who load the adapter: `base_model_name_or_path`. Default: null. */
  readonly baseModel?: string | undefined;
  /** `task_type`, such as `CAUSAL_LM`. Default: null. */
  readonly taskType?: string | undefined;
}

const text = kind<string>((x) => typeof x === 'string', 'a text');
const schema: Schema<Resolved<SaveAdapterOptions, keyof SaveAdapterOptions>> = {
  ...watchers<Progress>(),
  name: kind((x) => typeof x === 'function', 'a function'),
  baseModel: text,
  taskType: text,
};

/** The name of a layer in the other program. @throws ERR_ARGUMENT unless `name` gives a text */
export function moduleOf(op: string, own: string, name: ((path: string) => string) | undefined): string {
  const module: unknown = name ? name(own) : own;
  if (typeof module !== 'string' || module === '') throw refusal(op, 'name', `return a text for ${own}`, shown(module));
  return module;
}

/**
 * Stores the LoRA layers of a model as peft does: `adapter_model.safetensors` with tensors
 * `base_model.model.<name>.lora_A.weight` and `lora_B`, and `adapter_config.json`; ranks and scales that differ go to
 * its patterns. A layer that stands in several places has the name of the first. The folder is made if there is none.
 * Both files take their places one right after the other, once all
 * is written.
 *
 * @param folder its parent exists
 * @param model holds layers of {@link LoraLinear}; the state of the moment of the call is stored
 * @example
 * await saveAdapter('adapter', model, { name: (path) => `transformer.${path}`, taskType: 'CAUSAL_LM' });
 *
 * @throws ERR_ARGUMENT for a model without such layers, options, two layers of one name, and names that peft would take
 * for an expression where ranks or scales differ; ERR_DISPOSED; ERR_IO; the signal's reason when aborted
 */
export async function saveAdapter(folder: string, model: object, options: SaveAdapterOptions = {}): Promise<void> {
  const op = 'saveAdapter';
  checkPath(op, folder);
  const { name, baseModel, taskType, ...watched } = readOptions(op, options, schema);
  watched.signal?.throwIfAborted();
  const layers = new Map<string, LoraLinear>();
  const seen = new Set<LoraLinear>();
  for (const { path: own, value } of partsOf(op, model)) {
    if (!(value instanceof LoraLinear) || seen.has(value)) continue;
    seen.add(value);
    const module = moduleOf(op, own, name);
    if (layers.has(module)) throw refusal(op, 'name', 'give each layer one of its own', `${quote(module)} twice`);
    layers.set(module, value);
  }
  if (layers.size === 0) throw refusal(op, 'model', 'hold a LoraLinear', 'none');
  const tensors: Record<string, Tensor> = {};
  for (const [module, { a, b }] of layers) {
    tensors[tensorName(module, 'lora_A')] = a;
    tensors[tensorName(module, 'lora_B')] = b;
  }
  const all = [...layers.values()];
  const rslora = all.every((layer) => layer.rslora);
  const scaled = new Map(
    [...layers].map(([module, { rank, alpha, rslora: own, scale }]) => [
      module,
      { rank, alpha: own === rslora ? alpha : scale * rank },
    ]),
  );
  const config = Buffer.from(configOf(op, scaled, { rslora, baseModel, taskType }));
  const sources = snapshot(tensors);
  await makeFolder(op, folder);
  await replaceBytes(path.join(folder, configName), config, { op, signal: watched.signal }, () =>
    writeTensorFile(path.join(folder, weightsName), sources, { ...watched, op, metadata: { format: 'pt' } }),
  );
}

async function makeFolder(op: string, folder: string): Promise<void> {
  try {
    await calls.makeFolder(folder);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') await attempt(op, folder, 'made', Promise.reject(error));
  }
}
