// An adapter in the place of a model: the base, to some of whose matrices scale · b·a is added.
import { type Config, configName, partsOfName, readConfig, tensorName, weightsName } from '../../adapters/internal.ts';
import { isFloating } from '../../core/dtypes.ts';
import { refusal } from '../../core/errors.ts';
import { Turns } from '../../core/turns.ts';
import type { Folder } from '../../files/model-folder/folder.ts';
import { indexName } from '../../files/model-folder/shard-index.ts';
import { singleName, Weights } from '../../files/model-folder/weights.ts';
import { few, quote } from '../../files/quote.ts';
import { tensorDtype } from '../../files/safetensors/dtypes.ts';
import type { TensorInfo } from '../../files/safetensors/header.ts';

/** The two factors that belong to one matrix of the base. */
export interface Factors {
  /** Names in the file: of a and of b. */
  readonly names: readonly [a: string, b: string];
  /** `[rank, in]`. */
  readonly a: TensorInfo;
  /** `[out, rank]`. */
  readonly b: TensorInfo;
  readonly rank: number;
  /** The factor of b·a. */
  readonly scale: number;
  /** True where the matrix is `[in, out]`. */
  readonly isTurned: boolean;
}

/** Factors by the name of the matrix of the base. */
export type Adapter = ReadonlyMap<string, Factors>;

/** True for a folder that has a file of peft's. */
export const isAdapter = async (folder: Folder): Promise<boolean> =>
  (await folder.has(configName)) || (await folder.has(weightsName));

/**
 * Opens an adapter, whose header is checked then, as far as that can be without the base.
 * @throws ERR_ARGUMENT for a folder that is a model besides, for a factor without the other, and for scales beyond f32;
 * ERR_SHAPE for factors of another rank than the configuration says; ERR_UNSUPPORTED for what is no plain LoRA;
 * ERR_FORMAT; ERR_IO
 */
export async function openAdapter(label: string, folder: Folder): Promise<{ adapter: Adapter; weights: Weights }> {
  const { op, path } = folder;
  for (const name of [singleName, indexName])
    if (await folder.has(name)) throw refusal(op, label, 'be an adapter or a whole model', `both (${name}) at ${path}`);
  const config = await readConfig(op, folder);
  const unsupported = (must: string, got: string) => refusal(op, label, must, `${got} at ${path}`, 'ERR_UNSUPPORTED');
  if (config.savesModules)
    throw unsupported('be an adapter of factors alone, or merged into its model first', 'modules_to_save');
  if (!(await folder.has(weightsName)))
    throw unsupported(`have its factors in ${weightsName}`, `${configName} and no such file`);
  const weights = await Weights.single(folder, weightsName);
  try {
    return { adapter: await factorsOf(label, weights, config), weights };
  } catch (error) {
    await weights.close();
    throw error;
  }
}

async function factorsOf(label: string, weights: Weights, config: Config): Promise<Adapter> {
  const { op, path, signal } = weights.folder;
  const { tensors } = weights.opened(weightsName);
  const turns = new Turns(signal);
  const modules = new Set<string>();
  const others: string[] = [];
  for (const name of tensors.keys()) {
    if (turns.isDue) await turns.next();
    const parts = partsOfName(name);
    if (parts) modules.add(parts.module);
    else others.push(name);
  }
  if (others.length > 0) {
    const must = 'hold lora_A and lora_B of linear layers alone, or be merged into its model first';
    throw refusal(op, label, must, `${few(others, quote)} at ${path}`, 'ERR_UNSUPPORTED');
  }
  if (modules.size === 0) throw refusal(op, label, 'hold lora_A and lora_B', `no tensors at ${path}`);
  const found = new Map<string, Factors>();
  for (const module of modules) {
    if (turns.isDue) await turns.next();
    const names = [tensorName(module, 'lora_A'), tensorName(module, 'lora_B')] as const;
    const [a, b] = names.map((name) => {
      const info = tensors.get(name);
      if (!info) throw refusal(op, label, 'have both factors of a layer', `no ${quote(name)} at ${path}`);
      if (!isFloating(tensorDtype(op, name, info)))
        throw refusal(op, label, 'have floating factors', `${info.dtype} in ${quote(name)} at ${path}`);
      return info;
    }) as [TensorInfo, TensorInfo];
    const rank = config.rankOf(module);
    for (const [name, { shape }, fits] of [
      [names[0], a, a.shape.length === 2 && a.shape[0] === rank],
      [names[1], b, b.shape.length === 2 && b.shape[1] === rank],
    ] as const)
      if (!fits)
        throw refusal(op, label, `have factors of rank ${rank} by ${configName}`, `${quote(name)} [${shape}] at ${path}`, 'ERR_SHAPE'); // biome-ignore format: one line
    const scale = config.scaleOf(module);
    const held = Math.fround(scale);
    if (held === 0 || !Number.isFinite(held)) {
      const must = `have scales that f32 holds by ${configName}`;
      throw refusal(op, label, must, `${scale} of ${quote(module)} at ${path}`);
    }
    found.set(`${module}.weight`, { names, a, b, rank, scale, isTurned: config.fanInFanOut });
  }
  return found;
}
