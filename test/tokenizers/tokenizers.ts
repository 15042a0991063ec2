import { OrthokitError } from '../../lib/index.ts';
import { parseTokenizer } from '../../lib/tokenizers/parse.ts';
import type { Tokenizer } from '../../lib/tokenizers/tokenizer.ts';

/** The content of tokenizer.json and of the configuration beside it. */
export function parsed(tokenizer: object | string | Uint8Array, config?: object, specials?: object): Tokenizer {
  const text = typeof tokenizer === 'string' ? tokenizer : JSON.stringify(tokenizer);
  const bytes = tokenizer instanceof Uint8Array ? new Uint8Array(tokenizer) : new Uint8Array(Buffer.from(text));
  const fail = (problem: string): never => {
    throw new OrthokitError('ERR_FORMAT', problem);
  };
  const companions = { tokenizerConfig: config as never, specialTokens: specials as never };
  const steps = parseTokenizer(bytes, companions, fail, true);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
