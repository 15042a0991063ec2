import { kinds } from '../jobs/kinds.mjs';

/** @import { Run } from '../runs/run.mjs' */

/** A run as clients see it. @param {Run} run */
export function view({ id, manifest, summary }) {
  const { state, reason, code, step, last, checkpoints, changes, starts, progress, result, updated, lastSeq } = summary;
  return {
    id,
    kind: manifest.kind,
    state,
    ...(reason === undefined ? {} : { reason }),
    ...(code === undefined ? {} : { code }),
    created: new Date(manifest.created).toISOString(),
    updated: new Date(updated || manifest.created).toISOString(),
    lastEvent: lastSeq,
    params: manifest.params,
    ...(kinds[manifest.kind]?.trains ? { step, steps: manifest.params.steps, last, checkpoints, changes, starts } : {}),
    ...(progress === undefined ? {} : { progress }),
    ...(result === undefined ? {} : { result }),
  };
}
