export type { TaskOptions } from '../core/task.ts';
export type { MethodName } from './methods/method.ts';
export type { MatchScope, TransplantOptions, TransplantProgress, TransplantTablesOptions } from './options.ts';
export type { Quantiles, TableReport, TransplantReport } from './report.ts';
export type { TableNames } from './tables/names.ts';
export { transplant } from './transplant.ts';
export {
  type ModelTables,
  type TransplantedTables,
  transplantTables,
} from './transplant-tables.ts';
