// Parts of folder jobs that other families use.
export { type Model, openModel } from './folders/models.ts';
