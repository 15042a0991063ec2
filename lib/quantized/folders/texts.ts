// The small files of the new folder: those of the model, and what says how it was made.
import { Buffer } from 'node:buffer';
import { inTurns } from '../../core/turns.ts';
import { editJson } from '../../files/json/edit.ts';
import { cardName, cardText } from '../../files/model-folder/model-card.ts';
import type { Model } from '../../merging/internal.ts';
import { limits } from '../../tokenizers/internal.ts';
import { layoutVersion } from './layout.ts';
import type { CompressReport } from './report.ts';

const recordName = 'compress.json';

/**
 * Copies of the model's files, its configuration with a word by which other programs see that they do not know these
 * weights, and the model card.
 */
export async function* newTexts(
  { folder }: Model,
  copied: readonly string[],
  report: () => Promise<CompressReport>,
): AsyncGenerator<[string, Uint8Array]> {
  const { dryRun, resumed, out, memoryBytes, scratchBytes, ...made } = await report();
  const { method, bits } = made;
  for (const name of copied) {
    const bytes = await folder.read(name, limits.fileBytes);
    if (!bytes) continue;
    if (name !== 'config.json') {
      yield [name, bytes];
      continue;
    }
    const patch = { quantization_config: { quant_method: 'orthokit', version: layoutVersion, method, bits } };
    yield [name, await inTurns(editJson(bytes, patch, folder.fail, name), folder.signal)];
  }
  yield [recordName, Buffer.from(`${JSON.stringify(made, null, 2)}\n`)];
  yield [cardName, Buffer.from(cardOf(made))];
}

type Made = Omit<CompressReport, 'dryRun' | 'resumed' | 'out' | 'memoryBytes' | 'scratchBytes'>;

function cardOf({ base, method, bits, bitsPerWeight, tensors, kept, warnings }: Made): string {
  const text = [
    '# Compressed model',
    '',
    `Made by \`orthokit compress\` with the method \`${method}\`, ${bits} bits: ${tensors.length} matrices of ` +
      `${bitsPerWeight.toFixed(2)} bits a weight, ${kept.length} tensors as they were.`,
    '',
    `Figures of each tensor stand in \`${recordName}\`. The metadata of each file says how its matrices lie.`,
  ];
  return cardText({ bases: [base], text, warnings });
}
