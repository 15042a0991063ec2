import type { MatchCounts } from '../tokenizers/index.ts';
import type { TransplantOptions, TransplantReport } from '../transplant/index.ts';
import { methodNames } from '../transplant/methods/method.ts';
import { type Command, command } from './command.ts';
import { camel, flag, runJob, text, withFlags } from './folder-job.ts';

type Word = 'method' | 'select' | 'weightScheme' | 'metric' | 'subwordMethod' | 'match' | 'byteMatch' | 'unusedRows';
/** Words that the library's option of this name takes. */
type WordsOf<K extends Word> = readonly NonNullable<TransplantOptions[K]>[];

const scopes: WordsOf<'byteMatch'> = ['none', 'both', 'embed', 'lm-head'];
const needed = (help: string) => ({ ...text('DIR', help), required: true }) as const;
const count = (value: string, help: string) => ({ ...text(value, help), number: 'count' }) as const;
const word = <K extends Word>(choices: WordsOf<K>, help: string) => ({ ...text('WORD', help), choices }) as const;

export const transplant: Command = command({
  summary: 'give the model BASE the tokenizer of the model DONOR, in the new folder OUT',
  options: {
    base: needed('the model whose weights are kept'),
    donor: needed('the model whose tokenizer is wanted'),
    out: needed('the new folder'),
    k: { ...count('N', 'tokens that stand for a new one, 64'), short: 'k' },
    device: text('NAME', 'auto, cpu, cuda, cuda:1'),
    method: word<'method'>(methodNames, 'how new rows are made, omp'),
    select: word<'select'>(['raw', 'unit'], 'what omp selects by, raw'),
    'weight-scheme': word<'weightScheme'>(
      ['distance_proportional', 'barycentric', 'least_squares'],
      'of common_interpolation',
    ),
    metric: word<'metric'>(['euclidean', 'cosine'], 'of common_interpolation'),
    'subword-method': word<'subwordMethod'>(['mean', 'sum', 'weighted_mean', 'first_last'], 'of subword'),
    match: word<'match'>(['bytes', 'mergekit'], 'what makes two tokens the same, bytes'),
    'byte-match': word<'byteMatch'>(scopes, 'tables in which a token of one byte may be <0xHH>'),
    'prefix-match': word<'byteMatch'>(scopes, 'tables in which a token may take the row of its longest prefix'),
    magikarp: flag('approximate tokens again that look never trained'),
    'no-norm-clip': flag('leave new rows as long as they come'),
    'pad-to-multiple': count('N', 'rows are a multiple of this; as the base is padded'),
    'unused-rows': word<'unusedRows'>(['zero', 'mean', 'copy'], 'what stands in rows of no token, zero'),
    'base-embed': text('TENSOR', 'where the name of the embeddings cannot be guessed'),
    'base-lm-head': text('TENSOR', 'and of the output head'),
    'donor-embed': text('TENSOR', 'the same for the donor'),
    'donor-lm-head': text('TENSOR', 'the same for the donor'),
    'batch-size': count('N', 'tokens computed at once, 256'),
    seed: { ...text('N', 'of random rows, 0'), number: 'whole' },
    'memory-limit': count('BYTES', 'the most that tables and Gram rows take'),
    'follow-links': flag('follow symbolic links in the folders'),
    'dry-run': flag('say what would be done, and write nothing'),
    restart: flag('discard what an earlier run has left'),
    json: flag('one JSON value, and no progress'),
  },
  async run({ json = false, ...values }) {
    const library = await import('../transplant/index.ts');
    return runJob(json, (watchers) => library.transplant({ ...optionsOf(values), ...watchers }), asText, inFlags);
  },
});

/** The message with the command's flags where it names options of the library. */
const inFlags = (message: string): string =>
  withFlags(message, 'transplant', Object.keys(transplant.options), (name) =>
    name === 'k' ? '-k' : `--${name}`,
  ).replaceAll(/\btensors\.(base|donor)\.(embed|lmHead)\b/g, (_, side: string, table: string) =>
    table === 'embed' ? `--${side}-embed` : `--${side}-lm-head`,
  );

/** Options of the library: `--pad-to-multiple` is `padToMultiple`. */
function optionsOf({ 'no-norm-clip': noClip, ...values }: Readonly<Record<string, unknown>>): TransplantOptions {
  const options: Record<string, unknown> = noClip ? { normClip: false } : {};
  const tensors: Record<string, Record<string, unknown>> = {};
  for (const [name, value] of Object.entries(values)) {
    const [, side, table] = /^(base|donor)-(embed|lm-head)$/.exec(name) ?? [];
    if (side) tensors[side] = { ...tensors[side], [table === 'embed' ? 'embed' : 'lmHead']: value };
    else options[camel(name)] = value;
  }
  if (Object.keys(tensors).length > 0) options['tensors'] = tensors;
  return options as unknown as TransplantOptions;
}

/** The ways in which tokens of the donor found theirs in the base, in words. */
const matchWords: Readonly<Record<Exclude<keyof MatchCounts, 'ids'>, (n: number) => string>> = {
  exact: (n) => `${n} the same in the base`,
  role: (n) => `${n} special tokens of the same role`,
  content: (n) => `${n} special tokens of the same text`,
  byte: (n) => `${n} single bytes`,
  prefix: (n) => `${n} by their longest prefix`,
  none: (n) => `${n} without counterpart`,
  specialUnmatched: (n) => `${n} of them special`,
  collapsed: (n) => `${n} hidden by a later token of the same text`,
  absent: (n) => `${n} without a token`,
  duplicatesInBase: (n) => `${n} tokens twice in the base`,
  duplicatesInDonor: (n) => `${n} tokens twice in the donor`,
};
const matchNames = Object.keys(matchWords) as (keyof typeof matchWords)[];

function asText({ method, dryRun, resumed, out, match, tables, warnings }: TransplantReport): string {
  const counts = matchNames.flatMap((name) => (match[name] > 0 ? [matchWords[name](match[name])] : []));
  const lines = [
    dryRun ? `dry run, nothing was written` : `${out}${resumed ? ', taken up from an earlier run' : ''}`,
    `${match.ids} ids of the donor: ${counts.join(', ')}`,
  ];
  for (const table of tables) {
    const { tensor, from, to, copied, approximated, unused, anchors, skippedAnchors: skipped, residuals } = table;
    lines.push(
      `${tensor}: [${from.join(', ')}] to [${to.join(', ')}], ${copied} rows copied, ${approximated} by ${method}, ` +
        `${unused} unused`,
    );
    if (skipped)
      lines.push(
        `  ${anchors} anchors; left out: ${skipped.zero} zero, ${skipped.nonFinite} not finite, ` +
          `${skipped.duplicate} duplicate`,
      );
    if (residuals)
      lines.push(`  relative residuals: median ${residuals.median.toFixed(3)}, largest ${residuals.max.toFixed(3)}`);
    if (table.clipped) lines.push(`  ${table.clipped} rows cut to the longest norms of the base`);
  }
  return [...lines, ...warnings.map((warning) => `warning: ${warning}`)].join('\n');
}
