import { OrthokitError } from '../../core/errors.ts';
import type { Entry } from './rule.ts';
import { type Arg, tangentOf } from './value.ts';

/**
 * The functions through which tangents go, from parameters that have one.
 * @throws ERR_UNSUPPORTED by name for one without a tangent, before any is computed
 */
function movingIn(entries: readonly Entry[]): Entry[] {
  const moved = new Set<unknown>();
  const isMoving = (x: Arg | undefined): boolean => moved.has(x) || tangentOf(x) !== undefined;
  return entries.filter(({ name, out, rule }) => {
    if (!rule.inputs.some(isMoving)) return false;
    if (!rule.tangent)
      throw new OrthokitError('ERR_UNSUPPORTED', `nn.${name}: has no tangent, so that it has no place in jvp`);
    moved.add(out);
    return true;
  });
}

/** Tangents of results, from the first function to the last. @throws ERR_UNSUPPORTED as {@link movingIn} */
export function moveAll(entries: readonly Entry[]): void {
  for (const { out, frame, rule } of movingIn(entries)) {
    const tangent = frame.buffer(out.shape, out.dtype);
    rule.tangent!(tangentOf, tangent);
    out.tangent = tangent;
    frame.clean();
  }
}
