import type { Steps } from '../../core/turns.ts';
import type { Tokenizer, VocabularyMatch } from '../../tokenizers/index.ts';
import { matchSteps } from '../../tokenizers/internal.ts';
import { findMethod } from '../methods/index.ts';
import type { MethodKind } from '../methods/method.ts';
import type { MatchScope, TableSettings } from '../options.ts';
import { quantiles, type TableReport, type TransplantReport } from '../report.ts';
import type { Anchors } from './anchors.ts';
import { type Fit, type Origins, originsOf, paddingOf, unused } from './origins.ts';
import type { RowStore } from './row-store.ts';
import type { Table } from './table.ts';

/** One table of the base that is rebuilt, and the table of the donor whose rows it follows. */
export interface TableJob {
  readonly label: 'embed' | 'lm-head';
  readonly base: Table;
  readonly donor: Table;
  readonly match: VocabularyMatch;
  /** Sizes and marks that the origins follow from. */
  readonly fit: Fit;
  readonly origins: Origins;
}

/** A table whose rows have been made. */
export interface MadeTable extends TableJob {
  readonly store: RowStore;
  /** Absent where the method needs none. */
  readonly anchors: Anchors | undefined;
  /** The bytes of a row that no token needs. */
  readonly unusedRow: (row: number) => Promise<Uint8Array>;
}

/** Vocabulary and tables of one model. */
export interface Side {
  readonly tokenizer: Tokenizer;
  readonly embed: Table;
  /** Absent where the head is the embeddings themselves. */
  readonly lmHead: Table | undefined;
}

/** All that is known before the tables are read. */
export interface Job {
  /** The public function that messages begin with. */
  readonly op: string;
  readonly settings: TableSettings;
  readonly method: MethodKind;
  readonly base: Side;
  readonly donor: Side;
  readonly rows: number;
  readonly tables: readonly TableJob[];
  readonly warnings: readonly string[];
}

/** @throws ERR_UNSUPPORTED for a method that is known and not there */
export function* jobSteps(op: string, settings: TableSettings, base: Side, donor: Side): Steps<Job> {
  const method = findMethod(op, settings.method);
  const tokens = donor.tokenizer.tokens.length;
  const multiple = settings.padToMultiple ?? paddingOf(base.embed.rows, base.tokenizer.tokens.length);
  const rows = Math.ceil(tokens / multiple) * multiple;
  const matches = new Map<string, VocabularyMatch>();
  const matchFor = function* (label: TableJob['label']): Steps<VocabularyMatch> {
    const includes = (scope: MatchScope): boolean => scope === 'both' || scope === label;
    const matching = {
      match: settings.match,
      byte: includes(settings.byteMatch),
      prefix: includes(settings.prefixMatch),
    };
    const key = JSON.stringify(matching);
    const known = matches.get(key) ?? (yield* matchSteps(base.tokenizer, donor.tokenizer, matching));
    matches.set(key, known);
    return known;
  };
  const tableJob = function* (label: TableJob['label'], own: Table, other: Table): Steps<TableJob> {
    const match = yield* matchFor(label);
    const fit = { rows, baseRows: own.rows, donorRows: other.rows };
    return { label, base: own, donor: other, match, fit, origins: originsOf(match, fit) };
  };
  const tables = [yield* tableJob('embed', base.embed, donor.embed)];
  if (base.lmHead) tables.push(yield* tableJob('lm-head', base.lmHead, donor.lmHead ?? donor.embed));
  const { match } = tables[0]!;
  const warnings = [...match.warnings];
  const beyond = donor.tokenizer.tokens.filter((token, id) => token !== undefined && id >= donor.embed.rows).length;
  if (beyond > 0) warnings.push(`${beyond} added tokens of the donor lie beyond its ${donor.embed.rows} rows`);
  return { op, settings, method, base, donor, rows, tables, warnings };
}

/** The report of a job before its tables are made, or of the tables that were made. */
export async function reportOf(
  { settings, rows, tables, warnings }: Job,
  run: Pick<TransplantReport, 'dryRun' | 'resumed' | 'out'>,
  made: readonly (TableJob | MadeTable)[] = tables,
): Promise<TransplantReport> {
  return {
    method: settings.method,
    ...run,
    match: tables[0]!.match.counts,
    tables: await Promise.all(made.map((table) => tableReport(table, rows))),
    warnings,
  };
}

async function tableReport(table: TableJob | MadeTable, rows: number): Promise<TableReport> {
  const { base, origins } = table;
  const { from, targets } = origins;
  const left = from.filter((id) => id === unused).length;
  const { anchors, store } = 'store' in table ? table : {};
  const statistics = store && (await statisticsOf(store, targets.length));
  return {
    tensor: base.name,
    from: [base.rows, base.columns],
    to: [rows, base.columns],
    copied: from.length - targets.length - left,
    approximated: targets.length,
    unused: left,
    ...(anchors && { anchors: anchors.base.length, skippedAnchors: anchors.skipped }),
    ...statistics,
  };
}

async function statisticsOf(store: RowStore, count: number) {
  const residuals: number[] = [];
  const norms: number[] = [];
  let clipped = 0;
  let nonFinite = 0;
  for (let at = 0; at < count; at += 1024) {
    const part = await store.read(at, Math.min(1024, count - at));
    residuals.push(...part.residuals);
    norms.push(...part.norms);
    for (const mark of part.clipped) clipped += mark;
    for (const mark of part.nonFinite) nonFinite += mark;
  }
  const [found, lengths] = [quantiles(residuals), quantiles(norms)];
  return { clipped, nonFinite, ...(found && { residuals: found }), ...(lengths && { coefficientNorms: lengths }) };
}
