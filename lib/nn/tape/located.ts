import { OrthokitError } from '../../core/errors.ts';
import { isResult, type Result } from './value.ts';

/** The same error, told where it was: `nn.linear of blocks.2.down.weight: gemm: …`. */
export function located(error: unknown, name: string, args: readonly unknown[]): unknown {
  if (!(error instanceof OrthokitError) || error.message.startsWith('nn.')) return error;
  const leaf = args.find((x) => isResult(x) && x.leaf) as Result | undefined;
  const place = leaf ? ` of ${leaf.leaf!.path}` : '';
  return new OrthokitError(error.code, `nn.${name}${place}: ${error.message}`, { cause: error });
}
