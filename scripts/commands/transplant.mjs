import { constants } from 'node:os';
import { library } from './library.mjs';
import { progressOn } from './progress.mjs';

const scopes = ['none', 'both', 'embed', 'lm-head'];
const text = (value, help, more) => ({ type: 'string', value, help, ...more });
const number = (value, help, more) => ({ type: 'string', value, help, number: 'count', ...more });
const word = (choices, help) => ({ type: 'string', value: 'WORD', help, choices });
const flag = (help) => ({ type: 'boolean', help });

const methods = [
  ...['omp', 'mean', 'zero', 'randn', 'john_hewitt', 'common_interpolation', 'subword', 'landmark_pca', 'stb'],
  'mp_rope',
];

export const transplant = {
  summary: 'give the model BASE the tokenizer of the model DONOR, in the new folder OUT',
  options: {
    base: text('DIR', 'the model whose weights are kept', { required: true }),
    donor: text('DIR', 'the model whose tokenizer is wanted', { required: true }),
    out: text('DIR', 'the new folder', { required: true }),
    k: number('N', 'tokens that stand for a new one, 64', { short: 'k' }),
    device: text('NAME', 'auto, cpu, cuda, cuda:1'),
    method: word(methods, 'how new rows are made, omp'),
    select: word(['raw', 'unit'], 'what omp selects by, raw'),
    'weight-scheme': word(['distance_proportional', 'barycentric', 'least_squares'], 'of common_interpolation'),
    metric: word(['euclidean', 'cosine'], 'of common_interpolation'),
    'subword-method': word(['mean', 'sum', 'weighted_mean', 'first_last'], 'of subword'),
    match: word(['bytes', 'mergekit'], 'what makes two tokens the same, bytes'),
    'byte-match': word(scopes, 'tables in which a token of one byte may be <0xHH>'),
    'prefix-match': word(scopes, 'tables in which a token may take the row of its longest prefix'),
    magikarp: flag('approximate tokens again that look never trained'),
    'no-norm-clip': flag('leave new rows as long as they come'),
    'pad-to-multiple': number('N', 'rows are a multiple of this; as the base is padded'),
    'unused-rows': word(['zero', 'mean', 'copy'], 'what stands in rows of no token, zero'),
    'base-embed': text('TENSOR', 'where the name of the embeddings cannot be guessed'),
    'base-lm-head': text('TENSOR', 'and of the output head'),
    'donor-embed': text('TENSOR', 'the same for the donor'),
    'donor-lm-head': text('TENSOR', 'the same for the donor'),
    'batch-size': number('N', 'tokens computed at once, 256'),
    seed: number('N', 'of random rows, 0', { number: 'whole' }),
    'memory-limit': number('BYTES', 'the most that tables and Gram rows take'),
    'follow-links': flag('follow symbolic links in the folders'),
    'dry-run': flag('say what would be done, and write nothing'),
    restart: flag('discard what an earlier run has left'),
    json: flag('one JSON value, and no progress'),
  },
  run,
};

/** The signal that stopped a run; the exit code is the shell's for it. */
class Interrupted extends Error {
  code = 'ERR_INTERRUPTED';
  constructor(signal) {
    super(`stopped by ${signal}; the same command goes on from here`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

async function run(values) {
  const { transplant: work } = await library();
  const stop = new AbortController();
  const interrupt = (signal) => stop.abort(new Interrupted(signal));
  const signals = ['SIGINT', 'SIGTERM'];
  for (const signal of signals) process.once(signal, interrupt);
  const progress = values.json ? undefined : progressOn(process.stderr);
  try {
    const report = await work({ ...optionsOf(values), signal: stop.signal, onProgress: progress?.report });
    progress?.end();
    console.log(values.json ? JSON.stringify(report) : asText(report));
    return 0;
  } catch (error) {
    progress?.end();
    throw inFlags(error);
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}

const camel = (flag) => flag.replaceAll(/-(.)/g, (_, letter) => letter.toUpperCase());

/** The error with the command's flags where the library's message names its options. */
function inFlags(error) {
  const flags = new Map(Object.keys(transplant.options).map((name) => [camel(name), name]));
  const flag = (name) => (name === 'k' ? '-k' : `--${flags.get(name)}`);
  const names = [...flags.keys()];
  // Words such as `select` are options only where the message begins, or calls them so.
  const text = (error.message ?? '')
    .replace(new RegExp(`^(transplant: )(${names.join('|')})(?= (must|could))`), (_, op, name) => op + flag(name))
    .replaceAll(new RegExp(`\\bthe option (${names.join('|')})\\b`, 'g'), (_, name) => flag(name))
    // Options that differ, in what the workspace says of an earlier run.
    .replace(/another run: .*/, (tail) =>
      tail.replaceAll(new RegExp(`(: |, )(${names.join('|')})(?= )`, 'g'), (_, before, name) => before + flag(name)),
    )
    .replaceAll(/\btensors\.(base|donor)\.(embed|lmHead)\b/g, (_, side, table) =>
      table === 'embed' ? `--${side}-embed` : `--${side}-lm-head`,
    );
  error.message = text;
  return error;
}

/** Options of the library: `--pad-to-multiple` is `padToMultiple`. */
function optionsOf({ json, 'no-norm-clip': noClip, ...values }) {
  const options = noClip ? { normClip: false } : {};
  const tensors = {};
  for (const [name, value] of Object.entries(values)) {
    const [, side, table] = /^(base|donor)-(embed|lm-head)$/.exec(name) ?? [];
    if (side) tensors[side] = { ...tensors[side], [table === 'embed' ? 'embed' : 'lmHead']: value };
    else options[camel(name)] = value;
  }
  return Object.keys(tensors).length > 0 ? { ...options, tensors } : options;
}

/** How tokens of the donor found theirs in the base, in words. */
const matchWords = {
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

function asText({ method, dryRun, resumed, out, match, tables, warnings }) {
  const counts = Object.entries(matchWords).flatMap(([name, words]) => (match[name] > 0 ? [words(match[name])] : []));
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
    if (anchors !== undefined)
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
