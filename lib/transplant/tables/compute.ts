import { OrthokitError } from '../../core/errors.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { needsAnchors } from '../methods/index.ts';
import type { MethodContext, PrepareMethod } from '../methods/method.ts';
import type { TransplantProgress } from '../options.ts';
import { type Anchors, chooseAnchors, normLimit } from './anchors.ts';
import { approximateRows, type Output } from './approximate.ts';
import type { Job, Side, TableJob } from './job.ts';
import type { NewTable } from './new-table.ts';
import { type Plan, planRows, sharedIds } from './plan.ts';
import { allIds, type Scan, scanRows } from './scan.ts';
import type { Table } from './table.ts';
import { untrainedRows } from './trained.ts';
import { unusedRowsOf } from './unused.ts';

/** Makes the rows of all tables, in the stores that the job has for them. */
export async function computeRows(
  job: Job,
  task: Task<TransplantProgress>,
  prepare: PrepareMethod,
): Promise<NewTable[]> {
  const { settings, base, tables } = job;
  let scanned = 0;
  for (const table of tables) {
    table.scan = await scanRows(task, table.base, allIds(table.base.rows));
    scanned += table.base.rows;
    task.report({ stage: 'scan', done: scanned, total: tables.length * base.embed.rows });
  }
  if (settings.magikarp) await leaveOutUntrained(job, task);
  const total = tables.reduce((sum, { plan }) => sum + plan.targets.length, 0);
  let before = 0;
  for (const group of groupsOf(tables)) {
    before += await approximateGroup(job, group, task, prepare, (count) =>
      task.report({ stage: 'approximate', done: before + count * group.length, total }),
    );
  }
  const newTables: NewTable[] = [];
  for (const { base: own, plan, scan, store } of tables) {
    if (!scan || !store) throw new Error(`${own.name} was not computed`);
    const unusedRow = await unusedRowsOf(task.device, own, scan, base.tokenizer, settings.unusedRows);
    newTables.push({ table: own, plan, store, unusedRow });
  }
  return newTables;
}

/** Marks the rows of either side that look never trained in any of its tables, and plans anew. */
async function leaveOutUntrained({ base, donor, tables }: Job, task: Task<TransplantProgress>): Promise<void> {
  const marked = async (model: Side, jobs: readonly TableJob[]): Promise<Uint8Array> => {
    const all = [model.embed, ...(model.lmHead ? [model.lmHead] : [])];
    const bad = new Uint8Array(model.embed.rows);
    for (const table of all) {
      const known = jobs.find((job) => job.base === table)?.scan;
      const scan = known ?? (await scanRows(task, table, allIds(table.rows)));
      const found = await untrainedRows(task, table, scan, model.tokenizer, all.length === 1);
      for (const [id, isBad] of found.entries()) bad[id]! |= isBad;
    }
    return bad;
  };
  const badBase = await marked(base, tables);
  const badDonor = await marked(donor, []);
  for (const table of tables) {
    table.fit = { ...table.fit, badBase, badDonor };
    table.plan = planRows(table.match, table.fit);
  }
}

/** Tables that follow the same rows of the donor with the same tokens missing share one approximation. */
function groupsOf(tables: readonly TableJob[]): TableJob[][] {
  const groups: TableJob[][] = [];
  for (const table of tables) {
    const group = groups.find(([first]) => first && first.donor === table.donor && isSame(first.plan, table.plan));
    if (group) group.push(table);
    else groups.push([table]);
  }
  return groups;
}

function isSame({ targets: a }: Plan, { targets: b }: Plan): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

async function approximateGroup(
  { op, settings, base, donor }: Job,
  group: readonly TableJob[],
  task: Task<TransplantProgress>,
  prepare: PrepareMethod,
  onRows: (done: number) => void,
): Promise<number> {
  const [first] = group;
  if (!first) return 0;
  const { targets } = first.plan;
  let anchors: Anchors = {
    base: new Int32Array(),
    donor: new Int32Array(),
    skipped: { zero: 0, nonFinite: 0, duplicate: 0 },
  };
  const bases = group.map((table) => table.base);
  if (needsAnchors(settings.method)) {
    const shared = sharedIds(first.match, first.fit);
    anchors = await chooseAnchors(task, shared, first.donor, bases);
    checkShared(op, anchors.base.length, targets.length);
    for (const table of group) table.anchors = anchors;
  }
  const outputs = group.map(({ base: table, scan, store }): Output => {
    if (!store || !scan) throw new Error('the table was not read');
    const limit = settings.normClip ? normLimit(scan) : Number.MAX_VALUE;
    return { table, store, limit: Math.min(limit, largest(table)) };
  });
  if (outputs.some(({ store }) => store.count < targets.length)) {
    const context: MethodContext = {
      task,
      bases: group.map(({ base: table, scan, label }) => ({ table, scan: scan as Scan, isHead: label === 'lm-head' })),
      donor: first.donor,
      anchors,
      tokenizers: { base: base.tokenizer, donor: donor.tokenizer },
      settings,
    };
    using owned = new Owned();
    const method = owned.add(await prepare(context));
    const { batchSize } = settings;
    await approximateRows(task, method, first.donor, outputs, targets, { batchSize, onRows });
  }
  return targets.length * group.length;
}

/** A norm that keeps every element inside the table's dtype. */
function largest({ dtype }: Table): number {
  return dtype === 'f16' ? 65504 : 3e38;
}

/**
 * Refuses a job that could not be done, before a table is read or a file is made. Of shared tokens some may be left out
 * later, when their rows are known.
 *
 * @throws `ERR_ARGUMENT` where the models share no token and the method needs some, `ERR_MEMORY` where `memoryLimit` does
 * not hold the rows of those that they share
 */
export function checkJob({ op, settings, tables }: Job): void {
  if (!needsAnchors(settings.method)) return;
  for (const group of groupsOf(tables)) {
    const [first] = group;
    if (!first) continue;
    const shared = sharedIds(first.match, first.fit).base.length;
    checkShared(op, shared, first.plan.targets.length);
    const columns = group.reduce((sum, { base }) => sum + base.columns, first.donor.columns);
    const bytes = 4 * shared * columns;
    if (bytes > settings.memoryLimit)
      throw new OrthokitError(
        'ERR_MEMORY',
        `${op}: memoryLimit must hold the rows of ${shared} shared tokens, ${bytes} bytes, got ${settings.memoryLimit}`,
      );
  }
}

function checkShared(op: string, shared: number, targets: number): void {
  if (shared === 0 && targets > 0)
    throw new OrthokitError('ERR_ARGUMENT', `${op}: base and donor must share tokens that have rows, got none`);
}
