import type { Task } from '../../core/task.ts';
import type { Workspace } from '../../files/model-folder/workspace.ts';
import { type NewTensor, writeWeights } from '../../files/model-folder/write-weights.ts';
import type { PrepareMethod } from '../methods/method.ts';
import type { TransplantProgress } from '../options.ts';
import type { TransplantReport } from '../report.ts';
import { computeRows } from '../tables/compute.ts';
import type { Job } from '../tables/job.ts';
import type { Model } from '../tables/model.ts';
import { type NewTable, newRows } from '../tables/new-table.ts';
import type { ConfigPatches } from './config.ts';
import { Journal } from './journal.ts';
import { writeTexts } from './texts.ts';
import { verifyFolder } from './verify.ts';

const op = 'transplant';

/** A job, where its files go, and what it runs with. */
export interface Run {
  readonly job: Job;
  readonly base: Model;
  readonly donor: Model;
  /** How the configuration of the base changes. */
  readonly patches: ConfigPatches;
  readonly workspace: Workspace;
  readonly task: Task<TransplantProgress>;
  readonly prepare: PrepareMethod;
  /** Whether the workspace is that of an earlier run. */
  readonly resumed: boolean;
}

const newTensor = (made: NewTable): [string, NewTensor] => {
  const { table, plan } = made;
  return [table.name, { shape: [plan.from.length, table.columns], data: () => newRows(made) }];
};

/** Computes and writes what the job has planned. */
export async function run(given: Run): Promise<TransplantReport> {
  const { job, base, workspace, task, prepare, resumed } = given;
  const { signal } = task;
  const journals: Journal[] = [];
  try {
    for (const table of job.tables) {
      const file = workspace.scratch(table.label);
      const journal = await Journal.open(op, file, table.base.rowBytes);
      journals.push(journal);
      table.store = journal;
    }
    const newTables = await computeRows(job, task, prepare);
    await writeWeights(workspace, base.weights, new Map(newTables.map(newTensor)), {
      op,
      signal,
      onBytes: (done, total) => task.report({ stage: 'write', done, total }),
    });
    await writeTexts(given);
    const report = await job.report(resumed);
    await verifyFolder(op, workspace.model, newTables, signal);
    await workspace.publish();
    return report;
  } catch (error) {
    await workspace.leaveBare();
    throw error;
  } finally {
    for (const journal of journals) await journal.close();
  }
}
