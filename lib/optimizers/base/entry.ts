import type { Tensor } from '../../core/tensor.ts';
import type { Cut } from './cut.ts';

/** The lists that a step is made of, but for gradients. */
export interface Lists {
  readonly weights: readonly Tensor[];
  readonly masters: readonly Tensor[];
  readonly state: Readonly<Record<string, readonly Tensor[]>>;
  readonly elements: number;
}

/** A weight as a method steps it: a parameter, or a block of one. */
export interface Block {
  /** The shape that the method works on. */
  readonly shape: readonly number[];
  /** State and, unless it is copied for a step, the weight itself: under that shape, sharing the tensors' bytes. */
  readonly views: Readonly<Record<string, Tensor>>;
}

/** One parameter and what belongs to it. */
export interface Entry {
  readonly weight: Tensor;
  /** State by its name in checkpoints; that of a block has the block's number behind it. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** The cut of the weight; none where a method steps it whole. */
  readonly cut: Cut | undefined;
  readonly blocks: readonly Block[];
}

/** State is under the shape of the weight, which it has the size and rank of, or under its own. */
const under = (shape: readonly number[], like: Tensor, tensor: Tensor): Tensor =>
  tensor.size === like.size && tensor.shape.length === like.shape.length && shape !== like.shape
    ? tensor.reshape(shape)
    : tensor;

/** A block of a weight, or of a copy that is there for the moment. */
export function blockOf(
  weight: Tensor,
  state: Readonly<Record<string, Tensor>>,
  shape: readonly number[] | undefined,
  isCopy: boolean,
): Block {
  const own = shape ?? weight.shape;
  const views: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(isCopy ? state : { ...state, weight }))
    views[name] = under(own, weight, tensor);
  return { shape: own, views };
}

export function disposeEntry({ weight, tensors, blocks }: Entry): void {
  const views = blocks.flatMap((block) => Object.values(block.views));
  for (const tensor of [...Object.values(tensors), ...views]) if (tensor !== weight) tensor.dispose();
}

export function listsOf(entries: readonly Entry[]): Lists {
  const blocks = entries.flatMap((entry) => entry.blocks);
  const list = (name: string): Tensor[] => blocks.flatMap(({ views }) => views[name] ?? []);
  const slots = Object.keys(blocks[0]?.views ?? {}).filter((name) => name !== 'master' && name !== 'weight');
  return {
    weights: list('weight'),
    masters: list('master'),
    state: Object.fromEntries(slots.map((name) => [name, list(name)])),
    elements: entries.reduce((sum, entry) => sum + entry.weight.size, 0),
  };
}
