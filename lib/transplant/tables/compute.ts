import { refusal } from '../../core/errors.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import type { OpenRecords } from '../../files/model-folder/job.ts';
import type { TransplantProgress } from '../options.ts';
import { type Anchors, chooseAnchors, normLimit } from './anchors.ts';
import { approximateRows, type Output } from './approximate.ts';
import type { Job, MadeTable, Side, TableJob } from './job.ts';
import { type Origins, originsOf, sharedIds } from './origins.ts';
import { RowStore, recordBytesOf } from './row-store.ts';
import { allIds, type Scan, scanRows } from './scan.ts';
import type { Table } from './table.ts';
import { untrainedRows } from './trained.ts';
import { unusedRowsOf } from './unused.ts';

/** A table whose rows have been read. */
interface ScannedTable extends TableJob {
  readonly scan: Scan;
  readonly store: RowStore;
}

/** Makes the rows of all tables; `open` gives the records in which those of one are kept. */
export async function computeRows(job: Job, task: Task<TransplantProgress>, open: OpenRecords): Promise<MadeTable[]> {
  const { settings, base, tables } = job;
  const stores: RowStore[] = [];
  for (const { label, base: own } of tables)
    stores.push(new RowStore(await open(label, recordBytesOf(own.rowBytes)), own.rowBytes));
  const scanned: ScannedTable[] = [];
  for (const [i, table] of tables.entries()) {
    scanned.push({ ...table, scan: await scanRows(task, table.base, allIds(table.base.rows)), store: stores[i]! });
    const done = scanned.reduce((sum, { base: own }) => sum + own.rows, 0);
    task.report({ stage: 'scan', done, total: tables.length * base.embed.rows });
  }
  const chosen = settings.magikarp ? await withoutUntrained(job, scanned, task) : scanned;
  const total = chosen.reduce((sum, { origins }) => sum + origins.targets.length, 0);
  let before = 0;
  const made: MadeTable[] = [];
  for (const group of groupsOf(chosen)) {
    const onRows = (count: number): void =>
      task.report({ stage: 'approximate', done: before + count * group.length, total });
    const anchors = await approximateGroup(job, group, task, onRows);
    before += group[0]!.origins.targets.length * group.length;
    for (const table of group) {
      const unusedRow = await unusedRowsOf(task, table.base, table.scan, base.tokenizer, settings.unusedRows);
      made.push({ ...table, anchors, unusedRow });
    }
  }
  return made;
}

/** The tables with other origins, without the rows of either side that look never trained in any of its tables. */
async function withoutUntrained(
  { base, donor }: Job,
  tables: readonly ScannedTable[],
  task: Task<TransplantProgress>,
): Promise<ScannedTable[]> {
  const marked = async (model: Side, jobs: readonly ScannedTable[]): Promise<Uint8Array> => {
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
  return tables.map((table) => {
    const fit = { ...table.fit, badBase, badDonor };
    return { ...table, fit, origins: originsOf(table.match, fit) };
  });
}

/** Tables that follow the same rows of the donor with the same tokens missing share one approximation. */
function groupsOf<T extends TableJob>(tables: readonly T[]): T[][] {
  const groups: T[][] = [];
  for (const table of tables) {
    const group = groups.find(([first]) => first!.donor === table.donor && isSame(first!.origins, table.origins));
    if (group) group.push(table);
    else groups.push([table]);
  }
  return groups;
}

function isSame({ targets: a }: Origins, { targets: b }: Origins): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

/** Fills the stores of a group; answers what its rows stand on, if the method needs that. */
async function approximateGroup(
  { op, settings, method, base, donor }: Job,
  group: readonly ScannedTable[],
  task: Task<TransplantProgress>,
  onRows: (done: number) => void,
): Promise<Anchors | undefined> {
  const first = group[0]!;
  const { targets } = first.origins;
  let anchors: Anchors | undefined;
  if (method.needs === 'anchors') {
    const tables = group.map((table) => table.base);
    anchors = await chooseAnchors(task, sharedIds(first.match, first.fit), first.donor, tables);
    checkShared(op, anchors.base.length, targets.length);
  }
  const outputs = group.map(({ base: table, scan, store }): Output => {
    const limit = settings.normClip ? normLimit(scan) : Number.MAX_VALUE;
    return { table, store, limit: Math.min(limit, largest(table)) };
  });
  if (outputs.every(({ store }) => store.count >= targets.length)) return anchors;
  using owned = new Owned();
  const ready = owned.add(
    await method.prepare({
      task,
      bases: group.map(({ base: table, scan, label }) => ({ table, scan, isHead: label === 'lm-head' })),
      donor: first.donor,
      anchors: anchors ?? { base: new Int32Array(), donor: new Int32Array() },
      tokenizers: { base: base.tokenizer, donor: donor.tokenizer },
      settings,
    }),
  );
  await approximateRows(task, ready, first.donor, outputs, targets, { batchSize: settings.batchSize, onRows });
  return anchors;
}

/** A norm that keeps every element inside the table's dtype. */
function largest({ dtype }: Table): number {
  return dtype === 'f16' ? 65504 : 3e38;
}

/**
 * Refuses a job that could not be done, before a table is read or a file is made. Of shared tokens some may be left out
 * later, when their rows are known.
 *
 * @throws ERR_ARGUMENT where the models share no token and the method needs some, ERR_MEMORY where `memoryLimit` does
 * not hold the rows of those that they share
 */
export function checkJob({ op, settings, method, tables }: Job): void {
  if (method.needs !== 'anchors') return;
  for (const group of groupsOf(tables)) {
    const first = group[0]!;
    const shared = sharedIds(first.match, first.fit).base.length;
    checkShared(op, shared, first.origins.targets.length);
    const columns = group.reduce((sum, { base }) => sum + base.columns, first.donor.columns);
    const bytes = 4 * shared * columns;
    if (bytes > settings.memoryLimit) {
      const must = `hold the rows of ${shared} shared tokens, ${bytes} bytes`;
      throw refusal(op, 'memoryLimit', must, settings.memoryLimit, 'ERR_MEMORY');
    }
  }
}

function checkShared(op: string, shared: number, targets: number): void {
  if (shared === 0 && targets > 0) throw refusal(op, 'base and donor', 'share tokens that have rows', 'none');
}
