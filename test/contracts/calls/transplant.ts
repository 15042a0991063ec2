import { Tensor } from '../../../lib/index.ts';
import { parsed } from '../../tokenizers/tokenizers.ts';
import { byteLevelTokenizer, writeModel } from '../../transplant/models.ts';
import type { Call, Scene } from '../call.ts';

const tokens = Array.from({ length: 8 }, (_, i) => `t${i}`);
const [small, large] = [byteLevelTokenizer(tokens.slice(0, 5)), byteLevelTokenizer(tokens)];
const rows = (count: number, width: number): number[][] =>
  Array.from({ length: count }, (_, i) => Array.from({ length: width }, (_, j) => Math.sin(1 + i + 7 * j)));
const tables = ({ device }: Scene, tokenizer: object, count: number, width: number) => ({
  tokenizer: parsed(tokenizer),
  embed: Tensor.from(device, rows(count, width).flat(), [count, width]),
  lmHead: Tensor.from(device, rows(count, width).flat(), [count, width]),
});

export const calls: Record<string, Call> = {
  transplant: {
    options: ({ folder, device }) => ({
      base: writeModel(folder.file('base'), { tokenizer: small, embed: rows(5, 4) }),
      donor: writeModel(folder.file('donor'), { tokenizer: large, embed: rows(8, 3) }),
      out: folder.file('out'),
      ...{ device, k: 2 },
    }),
  },
  transplantTables: { args: (on) => [tables(on, small, 5, 4), tables(on, large, 8, 3)], options: () => ({ k: 2 }) },
};
