// Shared by experiments whose page follows from their runs: words and tables of pages, and the shape of the experiment.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { table } from '../../examples/digits/table.mjs';
import { png } from '../../examples/png.mjs';
import { clock } from './clock.mjs';

export const mean = (/** @type {readonly number[]} */ x) => x.reduce((sum, value) => sum + value / x.length, 0);
export const percent = (/** @type {number} */ x) => `${(100 * x).toFixed(1)} %`;
export const wholePercent = (/** @type {number} */ x) => `${(100 * x).toFixed(0)} %`;
/** @param {readonly string[]} head @param {readonly (readonly string[])[]} rows */
export const markdown = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** The words that say how a page comes to be. @param {string} name */
export const origin = (name) =>
  `\`npm run experiment -- ${name} --write\` writes this page from recorded runs; \`npm run experiment -- ${name}\` makes them.`;
/** The beginning of a page. @param {string} title @param {string} name @param {string} effort such as `3 runs took 5 min by the clock` */
export const opening = (title, name, effort) => [`# ${title}`, origin(name), `Its ${effort} of a busy machine.`];

/** @param {Parameters<typeof png>[0]} picture @param {string} folder @param {string} name without `.png` @returns {string[]} the file */
export function savePicture(picture, folder, name) {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${name}.png`);
  writeFileSync(file, png(picture));
  return [file];
}

/** @typedef {Pick<import('./records.mjs').Records, 'of'>} Made runs that are there */

/**
 * @param {{
 *   name: string,
 *   settings: (size: 'full' | 'quick', made: Made) => any[],
 *   nameOf: (settings: any) => string,
 *   groupOf?: (settings: any) => string,
 *   run: (settings: any) => Promise<object>,
 *   figures: (runs: readonly any[]) => { head: string[], rows: string[][] },
 *   judge?: (runs: readonly any[]) => Record<string, string>,
 *   each?: string,
 *   pageOf: (runs: readonly any[], effort: string) => string,
 *   draw?: (runs: readonly any[], folder: string) => string[] | Promise<string[]>,
 * }} parts runs have their settings and what `run` gave. `settings` of whole runs that depend on others are nothing until these are made;
 *   runs of one group, by default those of one name but for the seed, take about as long; `figures` and, if there are any, verdicts are
 *   shown of tiny runs; `each` tells how long a whole one takes
 */
export function experimentOf({ name, settings, nameOf, groupOf, run, figures, judge, each, pageOf, draw }) {
  const show = (/** @type {string} */ line) => console.log(line);
  const none = { of: () => undefined };
  const group = groupOf ?? ((own) => nameOf(own).replace(/(, |^)seed \d+$/, '') || name);
  const jobs = (/** @type {Made} */ made = none) =>
    settings('full', made).map((own) => ({ settings: own, group: own ? group(own) : 'later' }));
  return {
    ...{ jobs, run, nameOf },
    async quick() {
      const runs = [];
      for (const own of settings('quick', none)) runs.push({ ...(await run(own)), ...own });
      const { head, rows } = figures(runs);
      show(table(head, rows));
      const verdicts = Object.entries(judge?.(runs) ?? {}).map(([claim, verdict]) => `${claim}: ${verdict}`);
      show([...verdicts, 'tiny runs prove nothing'].join('; '));
    },
    async plan() {
      const start = performance.now();
      await run(settings('quick', none)[0]);
      const whole = each ? `one of ${jobs().length} whole ones ${each}` : `there are ${jobs().length} whole ones`;
      show(`a tiny run takes ${clock((performance.now() - start) / 1000)}; ${whole}`);
    },
    /** @param {import('./records.mjs').Records} records all there @param {string} root @returns {Promise<string[]>} the files */
    async write(records, root) {
      const runs = settings('full', records).map((own) => ({ ...records.of(own), ...own }));
      const file = path.join(root, 'docs', 'experiments', `${name}.md`);
      mkdirSync(path.dirname(file), { recursive: true });
      const wall = runs.reduce((sum, own) => sum + own.wall, 0);
      writeFileSync(file, pageOf(runs, `${runs.length} runs took ${clock(wall)} by the clock`));
      return [file, ...((await draw?.(runs, path.join(root, 'docs', 'images'))) ?? [])];
    },
  };
}
