import path from 'node:path';
import { Device, type DeviceKind } from '../device.ts';
import { OrthokitError } from '../errors.ts';
import { type Anchors, chooseAnchors, normLimit } from './anchors.ts';
import { approximateRows, type Output } from './approximate.ts';
import { type NewTable, writeWeights } from './assemble.ts';
import { fingerprint } from './fingerprint.ts';
import { Journal } from './journal.ts';
import { matchVocabularies, type VocabularyMatch } from './match.ts';
import { findMethod, needsAnchors, needsMerges } from './methods/index.ts';
import type { MethodContext } from './methods/method.ts';
import { type Model, openModel } from './model.ts';
import { refusePerToken } from './names.ts';
import { type Scope, type Settings, settle, type TransplantOptions } from './options.ts';
import { type Plan, paddingOf, planRows, sharedIds, unused } from './plan.ts';
import { quantiles, type TableReport, type TransplantReport } from './report.ts';
import { allIds, type Scan, scanRows } from './scan.ts';
import type { Table } from './table.ts';
import { writeTexts } from './texts.ts';
import { unusedRowsOf } from './unused.ts';
import { verifyFolder } from './verify.ts';
import { Workspace } from './workspace.ts';

const op = 'transplant';

/**
 * Gives a model the tokenizer of another one: the weights of `base` with embeddings and output head rebuilt, row by row,
 * for the vocabulary of `donor`, in the new folder `out`. Tokens that both know keep the base's rows, bit for bit; the
 * others are approximated from the donor's rows. Every other tensor is copied byte for byte.
 *
 * Folders hold safetensors files and tokenizer.json. Of the models, only the rows in use are read: memory is needed for
 * the rows of shared tokens in f32, `memoryLimit` for Gram rows, and one batch. The new folder appears at once and whole;
 * a run that was killed or aborted goes on where it stood when it is repeated.
 *
 * Source: arXiv 2506.06607, and mergekit-tokensurgeon for the other methods.
 *
 * @example
 * const report = await transplant({ base: 'llama', donor: 'qwen', out: 'llama-qwen' });
 * console.log(report.match, report.warnings);
 *
 * @throws `ERR_ARGUMENT`; `ERR_FORMAT` for folders that are not what they say; `ERR_SHAPE`; `ERR_UNSUPPORTED` for models
 * and methods that are not handled; `ERR_STATE` for the remains of another run; `ERR_IO` with the system's error as
 * `cause`; `ERR_MEMORY`; `ERR_BACKEND`; the signal's reason when aborted
 */
export async function transplant(options: TransplantOptions): Promise<TransplantReport> {
  const settings = settle(op, options);
  const { signal } = settings;
  const prepare = findMethod(op, settings.method);
  signal?.throwIfAborted();
  const workspace = await Workspace.at(op, path.resolve(settings.out));
  const { followLinks, tensors } = settings;
  const common = { op, followLinks, signal };
  const base = await openModel(settings.base, {
    ...common,
    side: 'base',
    tensors: tensors.base,
    wantMerges: needsMerges(settings.method),
  });
  let donor: Model | undefined;
  let device: Device | undefined;
  try {
    refusePerToken(base.weights);
    donor = await openModel(settings.donor, { ...common, side: 'donor', tensors: tensors.donor, wantMerges: false });
    const job = planJob(settings, base, donor);
    if (settings.dryRun) return job.report(false);
    device = settings.device instanceof Device ? settings.device : Device.open(settings.device as DeviceKind);
    await workspace.begin(await fingerprint(settings, [base, donor]), settings.restart);
    return await run(job, workspace, device, prepare);
  } finally {
    await base.weights.close();
    await donor?.weights.close();
    if (device && device !== settings.device) await device.close();
  }
}

/** One table of the base that is rebuilt, and the table of the donor whose rows it follows. */
interface TableJob {
  readonly label: 'embed' | 'lm-head';
  readonly base: Table;
  readonly donor: Table;
  readonly match: VocabularyMatch;
  plan: Plan;
  scan?: Scan;
  anchors?: Anchors;
  clipped?: number;
  journal?: Journal;
}

interface Job {
  readonly settings: Settings;
  readonly base: Model;
  readonly donor: Model;
  readonly rows: number;
  readonly tables: readonly TableJob[];
  readonly warnings: string[];
  report(resumed: boolean): Promise<TransplantReport>;
}

function planJob(settings: Settings, base: Model, donor: Model): Job {
  const tokens = donor.tokenizer.tokens.length;
  const multiple = settings.padToMultiple ?? paddingOf(base.embed.rows, base.tokenizer.tokens.length);
  const rows = Math.ceil(tokens / multiple) * multiple;
  const matches = new Map<string, VocabularyMatch>();
  const matchFor = (label: TableJob['label']): VocabularyMatch => {
    const includes = (scope: Scope): boolean => scope === 'both' || scope === label;
    const matching = {
      match: settings.match,
      byte: includes(settings.byteMatch),
      prefix: includes(settings.prefixMatch),
    };
    const key = JSON.stringify(matching);
    const known = matches.get(key) ?? matchVocabularies(base.tokenizer, donor.tokenizer, matching);
    matches.set(key, known);
    return known;
  };
  const tableJob = (label: TableJob['label'], own: Table, other: Table): TableJob => {
    const match = matchFor(label);
    const plan = planRows(match, { rows, baseRows: own.rows, donorRows: other.rows });
    return { label, base: own, donor: other, match, plan };
  };
  const tables = [tableJob('embed', base.embed, donor.embed)];
  if (base.lmHead) tables.push(tableJob('lm-head', base.lmHead, donor.lmHead ?? donor.embed));
  const { match } = tables[0] as TableJob;
  const warnings = [...match.warnings];
  const beyond = donor.tokenizer.tokens.filter((token, id) => token !== undefined && id >= donor.embed.rows).length;
  if (beyond > 0) warnings.push(`${beyond} added tokens of the donor lie beyond its ${donor.embed.rows} rows`);
  return {
    settings,
    base,
    donor,
    rows,
    tables,
    warnings,
    report: async (resumed) => ({
      method: settings.method,
      dryRun: settings.dryRun,
      resumed,
      out: path.resolve(settings.out),
      match: match.counts,
      tables: await Promise.all(tables.map((table) => tableReport(table, rows))),
      warnings,
    }),
  };
}

async function tableReport({ base, plan, anchors, clipped, journal }: TableJob, rows: number): Promise<TableReport> {
  const { from, targets } = plan;
  const left = from.filter((id) => id === unused).length;
  const statistics = journal && (await statisticsOf(journal, targets.length));
  return {
    tensor: base.name,
    from: [base.rows, base.columns],
    to: [rows, base.columns],
    copied: from.length - targets.length - left,
    approximated: targets.length,
    unused: left,
    ...(anchors && { anchors: anchors.base.length, skippedAnchors: anchors.skipped }),
    ...(clipped !== undefined && { clipped }),
    ...statistics,
  };
}

async function statisticsOf(journal: Journal, count: number) {
  const residuals: number[] = [];
  const norms: number[] = [];
  for (let at = 0; at < count; at += 1024) {
    const part = await journal.read(at, Math.min(1024, count - at));
    residuals.push(...part.residuals);
    norms.push(...part.norms);
  }
  const [found, lengths] = [quantiles(residuals), quantiles(norms)];
  return { ...(found && { residuals: found }), ...(lengths && { coefficientNorms: lengths }) };
}

type Prepare = ReturnType<typeof findMethod>;

async function run(job: Job, workspace: Workspace, device: Device, prepare: Prepare): Promise<TransplantReport> {
  const { settings, base, donor, tables, rows } = job;
  const { signal, onProgress } = settings;
  const newTables: NewTable[] = [];
  let resumed = false;
  try {
    let scanned = 0;
    for (const table of tables) {
      table.scan = await scanRows(device, table.base, allIds(table.base.rows), { signal });
      scanned += table.base.rows;
      onProgress?.({ stage: 'scan', done: scanned, total: tables.length * base.embed.rows });
    }
    const total = tables.reduce((sum, { plan }) => sum + plan.targets.length, 0);
    let before = 0;
    for (const group of groupsOf(tables)) {
      for (const table of group) {
        const file = workspace.scratch(`${table.label}.rows`);
        table.journal = await Journal.open(op, file, table.base.rowBytes);
        resumed ||= table.journal.count > 0;
      }
      const done = await approximateGroup(job, group, device, prepare, (count) =>
        onProgress?.({ stage: 'approximate', done: before + count, total }),
      );
      before += done;
    }
    for (const table of tables) {
      const { base: own, plan, scan, journal } = table;
      if (!scan || !journal) continue;
      const unusedRow = await unusedRowsOf(device, own, scan, base.tokenizer, settings.unusedRows);
      newTables.push({ table: own, plan, journal, unusedRow });
    }
    await writeWeights(workspace, base.weights, newTables, {
      op,
      signal,
      onBytes: (done, bytes) => onProgress?.({ stage: 'write', done, total: bytes }),
    });
    const copies = tables[0]?.plan.from ?? new Int32Array();
    job.warnings.push(...(await writeTexts(workspace, base, donor, rows, copies)));
    const report = await job.report(resumed);
    await verifyFolder(op, workspace.model, newTables, signal);
    await workspace.publish();
    return report;
  } finally {
    for (const { journal } of tables) await journal?.close();
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
  { settings, base, donor }: Job,
  group: readonly TableJob[],
  device: Device,
  prepare: Prepare,
  onRows: (done: number) => void,
): Promise<number> {
  const [first] = group;
  if (!first) return 0;
  const { signal } = settings;
  const { targets } = first.plan;
  let anchors: Anchors = {
    base: new Int32Array(),
    donor: new Int32Array(),
    skipped: { zero: 0, nonFinite: 0, duplicate: 0 },
  };
  const bases = group.map((table) => table.base);
  if (needsAnchors(settings.method)) {
    const shared = sharedIds(first.match, first.base.rows, first.donor.rows);
    anchors = await chooseAnchors(device, shared, first.donor, bases, signal);
    if (anchors.base.length === 0 && targets.length > 0)
      throw new OrthokitError('ERR_ARGUMENT', `${op}: base and donor must share tokens that have rows, got none`);
    checkMemory(settings.memoryLimit, anchors.base.length, [first.donor, ...bases]);
    for (const table of group) table.anchors = anchors;
  }
  const outputs = group.map(({ base: table, scan, journal }): Output => {
    if (!journal || !scan) throw new Error('the table was not read');
    const limit = settings.normClip ? normLimit(scan) : Number.MAX_VALUE;
    return { table, journal, limit: Math.min(limit, largest(table)), clipped: 0 };
  });
  if (outputs.some(({ journal }) => journal.count < targets.length)) {
    const context: MethodContext = {
      device,
      bases: group.map(({ base: table, scan, label }) => ({ table, scan: scan as Scan, isHead: label === 'lm-head' })),
      donor: first.donor,
      anchors,
      tokenizers: { base: base.tokenizer, donor: donor.tokenizer },
      settings,
      signal,
    };
    const method = await prepare(context);
    try {
      const { batchSize } = settings;
      await approximateRows(device, method, first.donor, outputs, targets, { batchSize, signal, onRows });
    } finally {
      method.dispose();
    }
  }
  for (const [i, table] of group.entries()) table.clipped = outputs[i]?.clipped ?? 0;
  return targets.length * group.length;
}

/** A norm that keeps every element inside the table's dtype. */
function largest({ dtype }: Table): number {
  return dtype === 'f16' ? 65504 : 3e38;
}

function checkMemory(limit: number, anchors: number, tables: readonly Table[]): void {
  const bytes = tables.reduce((sum, { columns }) => sum + 4 * anchors * columns, 0);
  if (bytes > limit)
    throw new OrthokitError(
      'ERR_MEMORY',
      `${op}: memoryLimit must hold the rows of ${anchors} shared tokens, ${bytes} bytes, got ${limit}`,
    );
}
