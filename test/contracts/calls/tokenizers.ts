import { writeFileSync } from 'node:fs';
import { parsed } from '../../tokenizers/tokenizers.ts';
import { byteLevelTokenizer } from '../../transplant/models.ts';
import type { Call } from '../call.ts';

const small = () => byteLevelTokenizer(['a', 'b']);

export const calls: Record<string, Call> = {
  matchVocabularies: { args: () => [parsed(small()), parsed(small())], options: () => ({ match: 'bytes' }) },
  readTokenizer: {
    args: ({ folder }) => {
      writeFileSync(folder.file('tokenizer.json'), JSON.stringify(small()));
      return [folder.path];
    },
    options: () => ({}),
  },
};
