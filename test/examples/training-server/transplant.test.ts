// Devices: cpu
import { symlinkSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Folder } from '../../files/folder.ts';
import { byteLevelTokenizer, readModel, writeModel } from '../../transplant/models.ts';
import { Server } from './server.ts';

it('gives a model of the folder of models the tokenizer of another, and names neither by path', async () => {
  using folder = new Folder();
  const embed = (count: number, columns: number) =>
    Array.from({ length: count }, (_, i) => Array.from({ length: columns }, (_, j) => Math.sin(1 + i * columns + j)));
  const tokens = [' the', '\n', ' dog', ' cat', 'é'];
  writeModel(folder.file('base'), { tokenizer: byteLevelTokenizer(tokens), embed: embed(5, 4) });
  writeModel(folder.file('donor'), { tokenizer: byteLevelTokenizer([...tokens.slice(1), ' a']), embed: embed(5, 3) });
  symlinkSync(folder.file('base'), folder.file('link'));
  const server = new Server(['--models', path.dirname(folder.file('base'))]);
  try {
    await server.start();
    const id = await server.job({ kind: 'transplant', base: 'folder:base', donor: 'folder:donor', k: 2 });
    await server.state(id, 'done');
    const { tensors } = readModel(path.join(server.folder, 'state', 'runs', id, 'model'));
    expect(tensors.get('model.embed_tokens.weight')?.shape).toEqual([5, 4]);
    for (const base of ['folder:link', 'folder:none', 'folder:..', 'folder:a/b', '/etc']) {
      const { body } = await server.ask('/jobs', 'POST', { kind: 'transplant', base, donor: 'folder:donor' });
      expect(body, base).toMatchObject({ status: 400, code: 'ERR_ARGUMENT' });
    }
  } finally {
    await server.dispose();
  }
});
