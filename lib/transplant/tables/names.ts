import { refusal } from '../../core/errors.ts';
import type { Steps } from '../../core/turns.ts';
import { isEmbedding } from '../../files/model-folder/table-names.ts';
import type { Weights } from '../../files/model-folder/weights.ts';
import { shortened } from '../../files/quote.ts';

const headName = /(^|\.)(lm_head|embed_out|cls\.predictions\.decoder)\.weight$|^output\.weight$/;
/** Other tensors that have an entry a token, and would no longer fit. */
const perToken =
  /(^|\.)(lm_head\.bias|embed_out\.bias|cls\.predictions\.bias|cls\.predictions\.decoder\.bias|embed_tokens_per_layer\.weight)$/;

const pauseNames = 1 << 9;

/** The names of the tensors with a row a token. */
export interface TableNames {
  /** The input embeddings. Default: found by the names that models use. */
  readonly embed?: string | undefined;
  /** The output head. Default: found by the names that models use; none where it is tied. */
  readonly lmHead?: string | undefined;
}

/** @throws ERR_UNSUPPORTED where the names of the model leave it open which tensors are meant */
export function* findTables(
  weights: Weights,
  side: string,
  given: TableNames,
): Steps<{ embed: string; lmHead?: string }> {
  const { op } = weights.folder;
  const embeds = given.embed === undefined ? yield* namesLike(weights, isEmbedding) : [given.embed];
  const heads = given.lmHead === undefined ? yield* namesLike(weights, (name) => headName.test(name)) : [given.lmHead];
  const [embed] = embeds;
  const [lmHead] = heads;
  if (embed === undefined || embeds.length > 1) {
    const must = `have one tensor of embeddings, or tensors.${side}.embed must name it`;
    throw refusal(op, side, must, list(embeds), 'ERR_UNSUPPORTED');
  }
  if (heads.length > 1) {
    const must = `have one output head, or tensors.${side}.lmHead must name it`;
    throw refusal(op, side, must, list(heads), 'ERR_UNSUPPORTED');
  }
  return lmHead === undefined ? { embed } : { embed, lmHead };
}

/** @throws ERR_UNSUPPORTED for a base that keeps more than tables by token */
export function* refusePerToken(weights: Weights): Steps<void> {
  const left = yield* namesLike(weights, (name) => perToken.test(name));
  if (left.length > 0) {
    const must = 'keep nothing but embeddings and head by token';
    throw refusal(weights.folder.op, 'base', must, list(left), 'ERR_UNSUPPORTED');
  }
}

/** A model may have some hundred thousand tensors. */
function* namesLike({ shardOf }: Weights, isWanted: (name: string) => boolean): Steps<string[]> {
  const found: string[] = [];
  let count = 0;
  for (const name of shardOf.keys()) {
    if (isWanted(name)) found.push(name);
    count += 1;
    if (count % pauseNames === 0) yield;
  }
  return found;
}

const list = (names: readonly string[]): string =>
  names.length === 0
    ? 'none'
    : names
        .slice(0, 4)
        .map((name) => shortened(name))
        .join(', ');
