// One run: a base, specialists of it that trained for a while or for long, and models merged of these, each examined on all texts. The same
// settings give the same bits.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device } from 'orthokit';
import { mergeModels } from 'orthokit/merging';
import { loadTexts } from './texts.mjs';
import { examine, load, newModel, store, train } from './train.mjs';
import { waysOf } from './ways.mjs';

/**
 * @typedef {object} Settings
 * @property {number} revision of what a run computes
 * @property {'full' | 'quick'} size
 * @property {number} seed
 *
 * @typedef {object} Trained specialists that trained for as long
 * @property {number} steps
 * @property {import('./train.mjs').Figures[][]} specialists of each text, on each text
 * @property {{ way: string, order: number[], figures: import('./train.mjs').Figures[] }[]} merged
 *
 * @typedef {object} Result
 * @property {import('./train.mjs').Figures[]} base on each text
 * @property {Trained[]} trained by the length of training
 */

export const sizes = {
  full: {
    ...{ width: 64, heads: 4, blocks: 2, context: 32, batch: 16, windows: 128 },
    ...{ base: 3000, special: [100, 600], orders: 6 },
  },
  quick: {
    ...{ width: 16, heads: 4, blocks: 1, context: 16, batch: 4, windows: 16 },
    ...{ base: 60, special: [30], orders: 2 },
  },
};

/** @param {Settings} settings @returns {Promise<Result>} */
export async function run({ size: sizeName, seed }) {
  const size = sizes[sizeName];
  const { letters, texts } = loadTexts();
  const device = Device.open('cpu');
  const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-'));
  const at = (/** @type {string} */ name) => path.join(folder, name);
  try {
    const model = newModel(device, size, letters, seed);
    const look = async () => {
      const figures = [];
      for (const { test } of texts) figures.push(await examine(model, test, size));
      return figures;
    };
    await train(
      model,
      texts.map((text) => text.train),
      { size, steps: size.base, peak: 4e-3, seed },
    );
    await store(model, at('base'));
    const base = await look();
    const folders = texts.map(({ name }) => at(name));
    const trained = [];
    for (const steps of size.special) {
      const specialists = [];
      for (const { name, train: text } of texts) {
        await load(model, at('base'));
        await train(model, [text], { size, steps, peak: 2e-3, seed });
        rmSync(at(name), { recursive: true, force: true });
        await store(model, at(name));
        specialists.push(await look());
      }
      const merged = [];
      for (const { way, options } of waysOf(size.orders)) {
        const out = at('merged');
        const report = await mergeModels({ base: at('base'), models: folders, out, device, ...options });
        await load(model, out);
        rmSync(out, { recursive: true });
        merged.push({ way, order: report.models.map((own) => folders.indexOf(own.path)), figures: await look() });
      }
      trained.push({ steps, specialists, merged });
    }
    return { base, trained };
  } finally {
    rmSync(folder, { recursive: true });
    await device.close();
  }
}
