// Parts of folder jobs that other families use.
export { type Model, openModel } from './folders/models.ts';
export { checkSpace } from './folders/needs.ts';
export { filesOf } from './folders/texts.ts';
export { isEmbedding, isHead } from './folders/vocabulary.ts';
