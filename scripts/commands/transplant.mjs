import { progressOn } from './progress.mjs';

const scopes = ['none', 'both', 'embed', 'lm-head'];
const text = (value, help, more) => ({ type: 'string', value, help, ...more });
const number = (value, help, more) => ({ type: 'string', value, help, number: true, ...more });
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
    seed: number('N', 'of random rows, 0'),
    'memory-limit': number('BYTES', 'the most that tables and Gram rows take'),
    'follow-links': flag('follow symbolic links in the folders'),
    'dry-run': flag('say what would be done, and write nothing'),
    restart: flag('discard what an earlier run has left'),
    json: flag('one JSON value, and no progress'),
  },
  run,
};

async function run(values) {
  const library = await import('../../dist/index.js');
  const stop = new AbortController();
  const interrupt = () => stop.abort(new Error('stopped; the same command goes on from here'));
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  const progress = values.json ? undefined : progressOn(process.stderr);
  try {
    const report = await library.transplant({
      ...optionsOf(values),
      signal: stop.signal,
      onProgress: progress?.report,
    });
    progress?.end();
    console.log(values.json ? JSON.stringify(report) : asText(report));
    return 0;
  } catch (error) {
    progress?.end();
    throw error;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

/** Options of the library: `--pad-to-multiple` is `padToMultiple`. */
function optionsOf({ json, 'no-norm-clip': noClip, ...values }) {
  const options = noClip ? { normClip: false } : {};
  const tensors = {};
  for (const [name, value] of Object.entries(values)) {
    const [, side, table] = /^(base|donor)-(embed|lm-head)$/.exec(name) ?? [];
    if (side) tensors[side] = { ...tensors[side], [table === 'embed' ? 'embed' : 'lmHead']: value };
    else options[name.replaceAll(/-(.)/g, (_, letter) => letter.toUpperCase())] = value;
  }
  return Object.keys(tensors).length > 0 ? { ...options, tensors } : options;
}

function asText({ method, dryRun, resumed, out, match, tables, warnings }) {
  const { ids, exact, role, content, byte, prefix, none, ...rest } = match;
  const counts = { exact, role, content, byte, prefix, 'without counterpart': none, ...rest };
  const found = Object.entries(counts).flatMap(([name, count]) => (count > 0 ? [`${name} ${count}`] : []));
  const lines = [
    dryRun ? `dry run, nothing was written` : `${out}${resumed ? ', taken up from an earlier run' : ''}`,
    `${ids} ids of the donor: ${found.join(', ')}`,
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
