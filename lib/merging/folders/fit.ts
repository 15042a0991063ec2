// The tensors of a base that are merged, and those of the models that they are merged with.
import type { Dtype } from '../../core/dtypes.ts';
import { isFloating } from '../../core/dtypes.ts';
import { OrthokitError, refusal } from '../../core/errors.ts';
import { testOf } from '../../core/pattern.ts';
import { Turns } from '../../core/turns.ts';
import { isEmbedding, isHead } from '../../files/model-folder/table-names.ts';
import { few, quote } from '../../files/quote.ts';
import { dtypeOfFile, type FileDtype } from '../../files/safetensors/dtypes.ts';
import type { OpenTensorFile } from '../../files/safetensors/file.ts';
import type { TensorInfo } from '../../files/safetensors/header.ts';
import type { Settings } from '../options.ts';
import type { Adapter } from './adapter.ts';
import type { Model } from './models.ts';
import { Update } from './update.ts';
import { sharedVocabulary } from './vocabulary.ts';

/** A tensor as it stands in one folder. */
export interface Part {
  readonly model: Model;
  readonly name: string;
  readonly file: OpenTensorFile;
  readonly info: TensorInfo;
}

/** A tensor that is merged. */
export interface MergedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Elements of the base's, and of the new one. */
  readonly size: number;
  /** The dtype of the base's tensor. */
  readonly dtype: Dtype;
  /** The dtype of the new tensor. */
  readonly newDtype: Dtype;
  /** The dtype of the sums. */
  readonly work: 'f32' | 'f64';
  /** That of the base, and those of the models in the order in which they are merged; of adapters what they add. */
  readonly parts: readonly [base: Part, ...models: (Part | Update)[]];
}

/** Tensors that must have the same bytes. */
export interface SameBytes {
  readonly parts: readonly [Part, Part];
  /** Ends the message of those that have not. */
  readonly must: string;
}

/** The work of a merge, as the headers tell it. */
export interface Fit {
  readonly merged: readonly MergedTensor[];
  /** Names of tensors that stay the base's. */
  readonly kept: readonly string[];
  readonly same: readonly SameBytes[];
  readonly warnings: readonly string[];
}

const isWide = (dtype: Dtype): boolean => dtype === 'f32' || dtype === 'f64';
const expert = /(^|\.)experts\./;

/**
 * @throws ERR_ARGUMENT for models without tensors of the base or with others, and for other vocabularies; ERR_SHAPE for
 * other shapes; ERR_UNSUPPORTED for elements that are no numbers
 */
export async function fitOf(op: string, settings: Settings, models: readonly Model[]): Promise<Fit> {
  const [base, ...others] = models as [Model, ...Model[]];
  const turns = new Turns(settings.signal);
  const warnings: string[] = [];
  const same: SameBytes[] = [];
  const isChosen = choiceOf(op, settings);
  const tokens = await sharedVocabulary(op, models, warnings);

  const chosen: string[] = [];
  const kept: string[] = [];
  for (const name of base.weights.shardOf.keys()) {
    if (turns.isDue) await turns.next();
    (isChosen(name) ? chosen : kept).push(name);
  }
  if (chosen.length === 0) throw refusal(op, 'only', 'leave tensors to merge', 'none');

  const find: ((name: string) => Part | Update | Promise<Part>)[] = [];
  for (const model of others) {
    const comparison = { base, model, chosen, isChosen, turns };
    const { adapter } = model;
    if (adapter) {
      await checkNames(op, comparison, adapter);
      find.push((name) => new Update(model, adapter.get(name)));
    } else {
      const sources = await sourcesOf(op, comparison, { same, warnings });
      find.push((name) => partOf(model, sources.get(name)!));
    }
  }
  const merged: MergedTensor[] = [];
  const shapes: string[] = [];
  for (const name of chosen) {
    if (turns.isDue) await turns.next();
    const own = await partOf(base, name);
    const rest: (Part | Update)[] = [];
    for (const one of find) rest.push(await one(name));
    const { shape, dtype } = own.info;
    const isTable = shape.length === 2 && tokens !== undefined && (isEmbedding(name) || isHead(name));
    let fits = true;
    for (const part of rest) {
      const { shape: other } = part instanceof Update ? part : part.info;
      const isPadded =
        isTable &&
        !(part instanceof Update) &&
        other?.length === 2 &&
        other[1] === shape[1] &&
        Math.min(other[0]!, shape[0]!) >= tokens;
      if (other === undefined || other.join() === shape.join() || isPadded) continue;
      fits = false;
      shapes.push(`${quote(name)} [${shape}], [${other}] in ${part.model.label}`);
    }
    const parts = [own, ...rest] as const;
    const dtypes = parts.flatMap((part) => dtypesOf(part).map(dtypeOfFile));
    if (dtypes.every((one) => one !== undefined && isFloating(one))) {
      if (own.info.byteLength === 0) kept.push(name);
      else if (fits) merged.push(mergedTensor(name, parts, dtypes as Dtype[], settings.dtype));
      continue;
    }
    for (const part of rest) {
      if (!(part instanceof Update)) {
        same.push({ parts: [own, part], must: `be the same, as its elements are ${dtype}` });
      } else if (part.factors) {
        const { label } = part.model;
        throw refusal(op, label, 'add to floating tensors alone', `factors for ${quote(name)}, of ${dtype}`, 'ERR_UNSUPPORTED'); // biome-ignore format: one line
      }
    }
    kept.push(name);
  }
  if (shapes.length > 0)
    throw new OrthokitError('ERR_SHAPE', `${op}: models must have the shapes of the base, got ${few(shapes)}`);
  if (chosen.some((name) => expert.test(name)))
    warnings.push('experts are merged by their names, which makes sense only for models trained from this base');
  if (base.config['tie_word_embeddings'] === true && merged.some(({ name }) => isHead(name)))
    warnings.push('the base ties its head to its embeddings and stores both: each is merged by itself');
  if (settings.dtype && kept.length > 0)
    warnings.push(`${kept.length} tensors that are not merged keep the element type of the base`);
  return { merged, kept, same, warnings };
}

/** Element types in which a tensor, or what is added to it, is stored. */
export const dtypesOf = (part: Part | Update): readonly FileDtype[] =>
  part instanceof Update ? part.dtypes : [part.info.dtype];

const partOf = async (model: Model, name: string): Promise<Part> => ({
  model,
  name,
  ...(await model.weights.find(name)),
});

function mergedTensor(
  name: string,
  parts: MergedTensor['parts'],
  dtypes: readonly Dtype[],
  wanted: Settings['dtype'],
): MergedTensor {
  const { shape } = parts[0].info;
  const newDtype = wanted ?? dtypes[0]!;
  // A sum of f32 in f32 would be rounded more than once.
  const work = isWide(newDtype) || dtypes.includes('f64') ? 'f64' : 'f32';
  return { name, shape, size: shape.reduce((a, b) => a * b, 1), dtype: dtypes[0]!, newDtype, work, parts };
}

function choiceOf(op: string, { only, skip }: Settings): (name: string) => boolean {
  const tests = (option: 'only' | 'skip', patterns: readonly string[] | undefined) =>
    patterns?.map((pattern) => testOf<undefined>(op, option, pattern));
  const [wanted, unwanted] = [tests('only', only), tests('skip', skip)];
  const fits = (test: (name: string, thing: undefined) => boolean, name: string): boolean => test(name, undefined);
  return (name) =>
    (wanted?.some((test) => fits(test, name)) ?? true) && !(unwanted?.some((test) => fits(test, name)) ?? false);
}

interface Comparison {
  readonly base: Model;
  readonly model: Model;
  readonly chosen: readonly string[];
  readonly isChosen: (name: string) => boolean;
  readonly turns: Turns;
}

/** @throws ERR_ARGUMENT for factors of matrices that the base does not have */
async function checkNames(op: string, { base, model, isChosen, turns }: Comparison, adapter: Adapter): Promise<void> {
  const { shardOf } = base.weights;
  const unknown: string[] = [];
  for (const name of adapter.keys()) {
    if (turns.isDue) await turns.next();
    if (!shardOf.has(name) && isChosen(name)) unknown.push(name);
  }
  if (unknown.length === 0) return;
  const got = `${few(unknown, quote)}, where the base has ${few([...shardOf.keys()], quote)} (${model.path})`;
  throw refusal(op, model.label, 'add to tensors of the base alone', got);
}

/** Names under which a model keeps the chosen tensors: their own, or for a tied head that of the embeddings. */
async function sourcesOf(
  op: string,
  { base, model, chosen, isChosen, turns }: Comparison,
  { same, warnings }: { same: SameBytes[]; warnings: string[] },
): Promise<Map<string, string>> {
  const { weights, label } = model;
  const sources = new Map<string, string>();
  const missing: string[] = [];
  const more: string[] = [];
  const embedding = [...weights.shardOf.keys()].find(isEmbedding);
  for (const name of chosen) {
    if (turns.isDue) await turns.next();
    const isTied = isHead(name) && embedding !== undefined && model.config['tie_word_embeddings'] !== false;
    if (weights.shardOf.has(name)) sources.set(name, name);
    else if (isTied) {
      sources.set(name, embedding);
      warnings.push(`${label} ties ${quote(name)} to its embeddings ${quote(embedding)}, which stand for it`);
    } else missing.push(name);
  }
  for (const name of weights.shardOf.keys()) {
    if (turns.isDue) await turns.next();
    if (base.weights.shardOf.has(name) || !isChosen(name)) continue;
    const [own, embeddings] =
      isHead(name) && embedding ? [await partOf(model, name), await partOf(model, embedding)] : [];
    if (own && embeddings && own.info.byteLength === embeddings.info.byteLength)
      same.push({ parts: [embeddings, own], must: 'be its embeddings, as the base has no head of its own' });
    else more.push(name);
  }
  if (missing.length > 0 || more.length > 0) {
    const parts: string[] = [];
    if (missing.length > 0) parts.push(`${few(missing, quote)} of the base alone`);
    if (more.length > 0) parts.push(`${few(more, quote)} of ${label} alone`);
    throw refusal(op, label, 'have the tensors of the base', `${parts.join(' and ')} (${model.path})`);
  }
  return sources;
}
