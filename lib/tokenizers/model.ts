import type { Steps } from '../core/turns.ts';
import type { JsonReader } from '../files/json/reader.ts';
import type { Fail } from '../files/json/scanner.ts';
import { quote } from '../files/quote.ts';
import { limits } from './limits.ts';
import type { TokenizerModel } from './tokenizer.ts';

const models: Readonly<Record<string, TokenizerModel>> = {
  BPE: 'bpe',
  Unigram: 'unigram',
  WordPiece: 'wordpiece',
  WordLevel: 'wordlevel',
};

/** The member `model` of a tokenizer.json. */
export interface ModelPart {
  model: TokenizerModel;
  tokens: (string | undefined)[];
  /** Id of each token. */
  ids: Map<string, number>;
  scores: Float64Array | undefined;
  merges: Int32Array | undefined;
  mergeCount: number;
  byteFallback: boolean;
  continuingPrefix: string;
  wordEnd: string;
  unknown: string | undefined;
}

/** Reads the model; `wantMerges` costs memory and time that only an encoder needs. */
export function* readModel(json: JsonReader, fail: Fail, wantMerges: boolean): Steps<ModelPart> {
  const tokens: ModelPart['tokens'] = [];
  const ids: ModelPart['ids'] = new Map();
  const part: Omit<ModelPart, 'model' | 'tokens' | 'ids' | 'merges'> = {
    ...{ scores: undefined, mergeCount: 0, byteFallback: false, continuingPrefix: '', wordEnd: '', unknown: undefined },
  };
  let merges: Int32Array | undefined;
  let type: string | undefined;
  let mergesAt: number | undefined;
  let unknownId: number | undefined;
  let hasVocabulary = false;

  const add = (token: string, id: number): void => {
    if (id >= limits.ids) fail(`tokenizer.json must have ids below ${limits.ids}, got ${id} for ${quote(token)}`);
    if (ids.has(token)) fail(`tokenizer.json must have each token once, got ${quote(token)} twice`);
    if (tokens[id] !== undefined) {
      fail(`tokenizer.json must have each id once, got ${id} for ${quote(tokens[id])} and ${quote(token)}`);
    }
    ids.set(token, id);
    tokens[id] = token;
  };

  for (const key of json.keys(limits.tokenBytes)) {
    if (key === 'type') type = json.text(limits.tokenBytes);
    else if (key === 'vocab') {
      if (hasVocabulary) fail('tokenizer.json must have one vocabulary, got two');
      hasVocabulary = true;
      part.scores = yield* readVocabulary(json, add, fail);
    } else if (key === 'merges') {
      if (mergesAt !== undefined) fail('tokenizer.json must have merges once, got them twice');
      json.kind();
      mergesAt = json.at;
      for (const index of json.items()) {
        if (index === limits.merges) fail(`tokenizer.json must have at most ${limits.merges} merges, got more`);
        yield* json.skip();
        part.mergeCount += 1;
      }
    } else if (key === 'byte_fallback') part.byteFallback = (yield* json.value(limits.tokenBytes)) === true;
    else if (key === 'continuing_subword_prefix') part.continuingPrefix = optionalText(json, fail);
    else if (key === 'end_of_word_suffix') part.wordEnd = optionalText(json, fail);
    else if (key === 'unk_token') part.unknown = optionalText(json, fail) || undefined;
    else if (key === 'unk_id') unknownId = json.kind() === 'number' ? json.integer() : void (yield* json.skip());
    else yield* json.skip();
    yield* json.pause();
  }

  if (!hasVocabulary) fail('tokenizer.json must have a vocabulary, got none');
  if (type !== undefined && !Object.hasOwn(models, type)) {
    fail(`tokenizer.json must have a model of ${Object.keys(models).join(', ')}, got ${quote(type)}`);
  }
  const model = models[type ?? ''] ?? inferred(part.scores, mergesAt, part.continuingPrefix);
  if ((model === 'unigram') !== (part.scores !== undefined)) {
    fail(`tokenizer.json must have scores for a unigram model and for no other, got ${model}`);
  }
  if (wantMerges && mergesAt !== undefined) {
    const end = json.at;
    json.goTo(mergesAt);
    merges = yield* readMerges(json, ids, part.mergeCount, fail);
    json.goTo(end);
  }
  if (model === 'wordpiece' && part.continuingPrefix === '') part.continuingPrefix = '##';
  part.unknown ??= unknownId === undefined ? undefined : tokens[unknownId];
  return { model, tokens, ids, merges, ...part };
}

function optionalText(json: JsonReader, fail: Fail): string {
  if (json.kind() !== 'word') return json.text(limits.tokenBytes);
  if (json.word() !== null) fail('tokenizer.json must have marks and tokens as text or null, got another word');
  return '';
}

// Old files do not name their model.
function inferred(
  scores: Float64Array | undefined,
  mergesAt: number | undefined,
  continuingPrefix: string,
): TokenizerModel {
  if (scores) return 'unigram';
  if (mergesAt !== undefined) return 'bpe';
  return continuingPrefix ? 'wordpiece' : 'wordlevel';
}

/** An object of ids, or the pairs of token and score of a unigram model, whose scores are answered. */
function* readVocabulary(
  json: JsonReader,
  add: (token: string, id: number) => void,
  fail: Fail,
): Steps<Float64Array | undefined> {
  if (json.kind() === 'object') {
    for (const token of json.keys(limits.tokenBytes)) {
      add(token, json.integer());
      yield* json.pause();
    }
    return undefined;
  }
  const scores: number[] = [];
  for (const id of json.items()) {
    let count = 0;
    const notPair = (): never => fail(`tokenizer.json must have a token and its score at ${id}, got another list`);
    for (const place of json.items()) {
      if (place === 0) add(json.text(limits.tokenBytes), id);
      else if (place === 1) scores.push(json.number());
      else notPair();
      count += 1;
    }
    if (count !== 2) notPair();
    yield* json.pause();
  }
  return Float64Array.from(scores);
}

/** Each merge is `"left right"` or `["left", "right"]`. */
function* readMerges(json: JsonReader, ids: ReadonlyMap<string, number>, count: number, fail: Fail): Steps<Int32Array> {
  const merges = new Int32Array(2 * count);
  for (const rank of json.items()) {
    const parts: string[] = [];
    if (json.kind() === 'string') {
      const text = json.text(2 * limits.tokenBytes + 1);
      const space = text.indexOf(' ', 1);
      parts.push(text.slice(0, space), text.slice(space + 1));
    } else {
      for (const _ of json.items()) parts.push(json.text(limits.tokenBytes));
    }
    const [left, right] = parts.map((part) => ids.get(part));
    if (parts.length !== 2 || left === undefined || right === undefined) {
      fail(`tokenizer.json must have merges of two tokens, got ${quote(parts.join(' '))}`);
    }
    merges[2 * rank] = left;
    merges[2 * rank + 1] = right;
    yield* json.pause();
  }
  return merges;
}
