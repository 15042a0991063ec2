import type { MergedModelReport, MergeOptions, MergeReport } from '../merging/index.ts';
import { mergeMethods } from '../merging/methods/names.ts';
import { type Command, command } from './command.ts';
import { camel, flag, rounded, runJob, size, text, withFlags } from './folder-job.ts';

export const merge: Command = command({
  summary: 'merge MODELS that were trained from BASE into the new folder OUT',
  options: {
    base: { ...text('DIR', 'the model from which the others were trained'), required: true },
    models: {
      ...text('DIR…', 'the models that are merged: whole ones, or LoRA adapters of BASE'),
      list: true,
      required: true,
    },
    out: { ...text('DIR', 'the new folder'), required: true },
    method: { ...text('NAME', 'how'), choices: mergeMethods, required: true },
    weights: { ...text('N,N,…', 'a factor for each model; not of opcm, 1 each'), numbers: true },
    alpha: { ...text('N', 'share of singular values that opcm protects, 0.5'), number: 'any' },
    scale: { ...text('N', 'factor of what is added to the base; 1, of arithmetic 0.3'), number: 'any' },
    density: { ...text('N', 'share of elements that ties keeps, 0.2'), number: 'positive' },
    shuffle: { ...text('SEED', 'draw the order of models for opcm'), number: 'whole' },
    dtype: { ...text('NAME', 'element type of merged tensors; as in the base'), choices: ['f32', 'f16', 'bf16'] },
    'shard-size': { ...text('BYTES', 'most bytes of a file, such as 5GB; files as in the base'), bytes: true },
    only: { ...text('GLOB', 'merge these tensors alone; may be given several times'), list: true },
    skip: { ...text('GLOB', 'keep these tensors of the base; may be given several times'), list: true },
    device: text('NAME', 'auto, cpu, cuda, cuda:1'),
    'memory-limit': { ...text('BYTES', 'most memory that the merge may take, such as 16GB'), bytes: true },
    'follow-links': flag('follow symbolic links in the folders'),
    'dry-run': flag('say what would be done, and write nothing'),
    restart: flag('discard what an earlier run has left'),
    json: flag('one JSON value, and no progress'),
  },
  async run({ json = false, ...values }) {
    const library = await import('../merging/index.ts');
    const options = Object.fromEntries(Object.entries(values).map(([name, value]) => [camel(name), value]));
    const job = library.mergeModels;
    // Only now, as it shares a file with what needs the binary.
    const texts = await import('../files/quote.ts');
    return runJob(
      json,
      (watchers) => job({ ...(options as unknown as MergeOptions), ...watchers }),
      (report) => asText(report, texts),
      (message) => withFlags(message, 'mergeModels', Object.keys(merge.options)),
    );
  },
});

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

function adapterText({ tensors, ranks, scales }: NonNullable<MergedModelReport['adapter']>): string {
  const factors = `rank ${ranks.join(', ')}, scale ${scales.map(rounded).join(', ')}`;
  return `, an adapter: ${tensors === 0 ? 'nothing' : factors} in ${tensors} ${tensors === 1 ? 'tensor' : 'tensors'}`;
}

function asText(report: MergeReport, { escaped, quote }: typeof import('../files/quote.ts')): string {
  const { dryRun, resumed, out, method, formula, models, bytes, scratchBytes, memoryBytes, tensors, kept } = report;
  const lines = [
    dryRun ? 'dry run, nothing was written' : `${out}${resumed ? ', taken up from an earlier run' : ''}`,
    `${method}: ${formula}`,
    ...models.map(({ label, path, adapter }) => `${label} ${path}${adapter ? adapterText(adapter) : ''}`),
    `${tensors.length} tensors merged, ${kept.length} kept; ${size(bytes)} of weights, ` +
      `${scratchBytes > 0 ? `${size(scratchBytes)} beside them meanwhile, ` : ''}at most ${size(memoryBytes)} of memory`,
  ];
  for (const [i, { label }] of models.entries()) {
    const cosines = tensors.flatMap(({ cosines: own }) => own?.[i] ?? []);
    if (cosines.length > 0) lines.push(`mean cosine of the change with ${label}: ${rounded(mean(cosines))}`);
  }
  const projected = tensors.flatMap(({ energyKept }) => energyKept ?? []);
  if (projected.length > 0)
    lines.push(`${projected.length} matrices projected, ${rounded(100 * mean(projected))} % of their energy kept`);
  const { copied, notCopied, warnings } = report;
  lines.push(`files of the base: ${copied.join(', ') || 'none'}`);
  if (notCopied.length > 0) lines.push(`not copied: ${notCopied.map(quote).join(', ')}`);
  return [...lines, ...warnings.map((warning) => `warning: ${escaped(warning)}`)].join('\n');
}
