import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { Problem } from '../problem.mjs';

/**
 * The folder of a model that a request names: `run:<id>`, the result of a run, or `folder:<name>` in the folder of models
 * that the server was given.
 *
 * @param {string} name
 * @param {{ store: import('../runs/store.mjs').Store, models: string | undefined }} places
 */
export async function modelFolder(name, { store, models }) {
  const [kind, own] = name.split(':');
  if (kind === 'run') {
    const run = store.run(own);
    if (run.summary.state !== 'done')
      throw new Problem('ERR_STATE', `the run ${own} has no model: it is ${run.summary.state}`);
    return path.join(run.folder, 'model');
  }
  const folder = models === undefined ? undefined : path.join(models, own);
  const stat = folder === undefined ? undefined : await lstat(folder).catch(() => undefined);
  if (folder === undefined || !stat?.isDirectory())
    throw new Problem('ERR_ARGUMENT', `there is no model folder ${own}`);
  return folder;
}

/**
 * The folders of all models that parameters name.
 *
 * @param {Record<string, any>} params
 * @param {Parameters<typeof modelFolder>[1]} places
 */
export async function modelFolders({ base, donor, models, init }, places) {
  const one = async (/** @type {string | undefined} */ name) =>
    name === undefined ? undefined : await modelFolder(name, places);
  const many = models && (await Promise.all(models.map((/** @type {string} */ name) => modelFolder(name, places))));
  return { init: await one(init), models: { base: await one(base), donor: await one(donor), models: many } };
}
