import type { CompressOptions, CompressReport } from '../quantized/index.ts';
import { type Command, command, UsageError } from './command.ts';
import { camel, flag, rounded, runJob, size, text, withFlags } from './folder-job.ts';

export const compress: Command = command({
  summary: 'compress the matrices of BASE to few bits into the new folder OUT',
  options: {
    base: { ...text('DIR', 'the model'), required: true },
    out: { ...text('DIR', 'the new folder'), required: true },
    bits: { ...text('N', 'bits of a code: 2, 3, 4 or 8, of codebook 1 to 8; 4'), number: 'whole' },
    'bits-of': { ...text('GLOB=N', 'other bits for these; the first that fits counts'), list: true },
    method: { ...text('NAME', 'how'), choices: ['group', 'codebook'], required: true },
    group: { ...text('N', 'of group: neighbours in a row that share a scale, 64'), number: 'whole' },
    groups: { ...text('N', 'of codebook: codebooks of a matrix, 1'), number: 'whole' },
    seed: { ...text('N', 'of codebook: draws where the search of codebooks begins, 0'), number: 'whole' },
    calibration: text('FILE', 'of codebook: inputs of matrices by name, safetensors, to refine them with'),
    steps: { ...text('N', 'of calibration: steps of each matrix, 300'), number: 'whole' },
    include: { ...text('GLOB', 'compress these although their names say embedding, head or norm'), list: true },
    skip: { ...text('GLOB', 'keep these as they are; may be given several times'), list: true },
    strict: flag('refuse a model of which a matrix does not fit the group, or the groups'),
    'shard-size': { ...text('BYTES', 'most bytes of a file, such as 5GB; files as in the model'), bytes: true },
    device: text('NAME', 'auto, cpu, cuda, cuda:1'),
    'memory-limit': { ...text('BYTES', 'most memory that the job may take, such as 16GB'), bytes: true },
    'follow-links': flag('follow symbolic links in the folder'),
    'dry-run': flag('say what would be done, and write nothing'),
    restart: flag('discard what an earlier run has left'),
    json: flag('one JSON value, and no progress'),
  },
  async run({ json = false, ...values }) {
    const library = await import('../quantized/index.ts');
    const { 'bits-of': bitsOf, ...others } = values;
    const options = {
      ...Object.fromEntries(Object.entries(others).map(([name, value]) => [camel(name), value])),
      ...(bitsOf && { bitsOf: bitsOfWords(bitsOf) }),
    };
    const job = library.compressModel;
    // Only now, as it shares a file with what needs the binary.
    const texts = await import('../files/quote.ts');
    return runJob(
      json,
      (watchers) => job({ ...(options as unknown as CompressOptions), ...watchers }),
      (report) => asText(report, texts),
      (message) => withFlags(message, 'compressModel', Object.keys(compress.options)),
    );
  },
});

/** `GLOB=N` as a pattern and its bits. */
function bitsOfWord(word: string): [pattern: string, bits: number] {
  const [, pattern, bits] = /^(.+)=([1-8])$/.exec(word) ?? [];
  if (pattern === undefined) throw new UsageError(`--bits-of must be GLOB=N, N from 1 to 8, got '${word}'`);
  return [pattern, Number(bits)];
}

function bitsOfWords(words: readonly string[]): Record<string, number> {
  const all = new Map(words.map(bitsOfWord));
  if (all.size < words.length) throw new UsageError('--bits-of must name a pattern once');
  return Object.fromEntries(all);
}

function asText(report: CompressReport, { escaped, quote }: typeof import('../files/quote.ts')): string {
  const { dryRun, resumed, out, method, bits, tensors, kept, bytes, bytesBefore, scratchBytes, memoryBytes } = report;
  const lines = [
    dryRun ? 'dry run, nothing was written' : `${out}${resumed ? ', taken up from an earlier run' : ''}`,
    `${method}, ${bits} bits; ${size(bytesBefore)} of weights become ${size(bytes)}, ` +
      `${size(scratchBytes)} beside them meanwhile, at most ${size(memoryBytes)} of memory`,
  ];
  for (const {
    tensor,
    shape,
    from,
    bits: code,
    group,
    groups,
    bytes: own,
    bytesBefore: before,
    ...errors
  } of tensors) {
    const { error, outputError } = errors;
    const parts = group === undefined ? `${groups} codebook${groups === 1 ? '' : 's'}` : `group ${group}`;
    const form = code === bits ? parts : `${code} bits, ${parts}`;
    const off = error === undefined ? '' : `, error ${rounded(error)}`;
    const outputs = outputError && `, of outputs ${rounded(outputError.before)}, refined ${rounded(outputError.after)}`;
    lines.push(
      `${quote(tensor)} [${shape.join(', ')}] ${from}: ${form}, ${size(before)} become ${size(own)}${off}${outputs ?? ''}`,
    );
  }
  for (const { tensor, bytes: own, reason } of kept) lines.push(`${quote(tensor)} kept, ${size(own)}: ${reason}`);
  const { copied, notCopied, warnings, bitsPerWeight } = report;
  lines.push(`files of the model: ${copied.join(', ') || 'none'}`);
  if (notCopied.length > 0) lines.push(`not copied: ${notCopied.map(quote).join(', ')}`);
  lines.push(...warnings.map((warning) => `warning: ${escaped(warning)}`));
  const keptBytes = kept.reduce((sum, { bytes: own }) => sum + own, 0);
  const names = kept.slice(0, 5).map(({ tensor }) => quote(tensor));
  const rest = kept.length > 5 ? ', …' : '';
  const list =
    kept.length === 0 ? 'none kept' : `${kept.length} tensors of ${size(keptBytes)} kept: ${names.join(', ')}${rest}`;
  lines.push(`${bitsPerWeight.toFixed(2)} bits a weight in ${tensors.length} matrices, ${list}`);
  return lines.join('\n');
}
