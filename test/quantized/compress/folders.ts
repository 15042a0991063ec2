// Small models to compress.
import type { Folder } from '../../files/folder.ts';
import { matrix, type Parts, writeParts } from '../../merging/folders.ts';

/** A model of embeddings, a norm, three matrices and a bias. */
export const modelOf = (folder: Folder, options: Omit<Parts, 'tensors'> = {}): string =>
  writeParts(folder.file('base'), {
    tensors: {
      'model.embed_tokens.weight': matrix(9, 64, 1),
      'model.layers.0.norm.weight': matrix(2, 64, 2),
      'model.layers.0.up.weight': matrix(32, 128, 3),
      'model.layers.0.down.weight': matrix(64, 32, 4),
      'model.layers.0.odd.weight': matrix(4, 33, 5),
      'model.layers.0.bias': matrix(1, 7, 6),
    },
    files: { 'vocab.txt': 'a\nb\n', 'notes.txt': 'mine' },
    ...options,
  });
