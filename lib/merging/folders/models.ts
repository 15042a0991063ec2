import { configName, weightsName } from '../../adapters/internal.ts';
import { refusal } from '../../core/errors.ts';
import type { JsonObject } from '../../files/json/reader.ts';
import { Folder } from '../../files/model-folder/folder.ts';
import { limits } from '../../files/model-folder/limits.ts';
import { Weights } from '../../files/model-folder/weights.ts';
import type { Settings } from '../options.ts';
import { type Adapter, isAdapter, openAdapter } from './adapter.ts';

/** An open model folder. */
export interface Model {
  /** The option that names it: `base`, `models[0]`, … */
  readonly label: string;
  /** The path as it was given. */
  readonly path: string;
  readonly folder: Folder;
  readonly weights: Weights;
  readonly configBytes: Uint8Array | undefined;
  readonly config: JsonObject;
  /** The adapter of a model that is given as the base and what is added to it. */
  readonly adapter?: Adapter | undefined;
}

/** Parts of a model of several, which have configurations of their own. */
const partKeys = ['text', 'vision', 'audio', 'language', 'llm', 'thinker', 'talker'].map((part) => `${part}_config`);
const configKeys = ['tie_word_embeddings', 'quantization_config', 'torch_dtype', 'dtype', ...partKeys];

/** Opens base and models in their order; the caller closes what is in `opened`. */
export async function openModels(
  op: string,
  settings: Settings,
  order: readonly number[],
  opened: Model[],
): Promise<void> {
  const models = settings.models.map((path, i) => [`models[${order[i]}]`, path] as const);
  const paths = [['base', settings.base] as const, ...models];
  for (const [label, path] of paths)
    opened.push(await (label === 'base' ? openModel : openInput)(op, label, path, settings));
}

type FolderSettings = Pick<Settings, 'followLinks' | 'signal'>;

/** Opens a model, or an adapter of the base. */
async function openInput(op: string, label: string, path: string, settings: FolderSettings): Promise<Model> {
  const folder = await Folder.open(op, label, path, settings);
  if (!(await isAdapter(folder))) return openModel(op, label, path, settings);
  return { label, path, folder, ...(await openAdapter(label, folder)), configBytes: undefined, config: {} };
}

/** Opens one model, whose headers are all checked then. */
export async function openModel(
  op: string,
  label: string,
  path: string,
  { followLinks, signal }: FolderSettings,
): Promise<Model> {
  const folder = await Folder.open(op, label, path, { followLinks, signal });
  await refuseAdapter(folder, label, path);
  const configBytes = await folder.read('config.json', limits.configBytes);
  const isWanted = (key: string): boolean => configKeys.includes(key);
  const config = configBytes && (await folder.parseJson('config.json', configBytes, isWanted, partKeys));
  const weights = await Weights.open(folder);
  try {
    // Each header is read and checked before any work.
    for (const shard of weights.shards) await weights.shard(shard);
  } catch (error) {
    await weights.close();
    throw error;
  }
  return { label, path, folder, weights, configBytes, config: config ?? {} };
}

async function refuseAdapter(folder: Folder, label: string, path: string): Promise<void> {
  for (const name of [configName, weightsName]) {
    if (!(await folder.has(name))) continue;
    const must = 'be a folder of a whole model, as adapters are merged into one first';
    throw refusal(folder.op, label, must, `an adapter (${name}) at ${path}`, 'ERR_UNSUPPORTED');
  }
}
