import type { Tensor } from '../../core/tensor.ts';

/** The lists that a step is made of, but for gradients. */
export interface Lists {
  readonly weights: readonly Tensor[];
  readonly masters: readonly Tensor[];
  readonly state: Readonly<Record<string, readonly Tensor[]>>;
  readonly elements: number;
}

/** One parameter and what belongs to it. Views share the tensors' bytes, under the shape that the method works on. */
export interface Entry {
  readonly weight: Tensor;
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly views: Readonly<Record<string, Tensor>>;
}

/** Views are made where the method sees another shape than the weight's own. */
export function entryOf(
  weight: Tensor,
  tensors: Readonly<Record<string, Tensor>>,
  shape: readonly number[] | undefined,
): Entry {
  const view = (tensor: Tensor): Tensor =>
    shape && tensor.size === weight.size && tensor.shape.length === weight.shape.length
      ? tensor.reshape(shape)
      : tensor;
  const views = Object.fromEntries(Object.entries({ ...tensors, weight }).map(([name, t]) => [name, view(t)]));
  return { weight, tensors, views };
}

export function disposeEntry({ weight, tensors, views }: Entry): void {
  for (const tensor of [...Object.values(tensors), ...Object.values(views)]) if (tensor !== weight) tensor.dispose();
}

/** A gradient under the shape that the method works on; a view that had to be made joins `views`. */
export function viewOf(grad: Tensor, { weight, views: { weight: like = weight } }: Entry, views: Tensor[]): Tensor {
  if (like === weight) return grad;
  const view = grad.reshape(like.shape);
  views.push(view);
  return view;
}

export function listsOf(entries: readonly Entry[]): Lists {
  const list = (name: string): Tensor[] => entries.flatMap((entry) => entry.views[name] ?? []);
  const slots = Object.keys(entries[0]?.tensors ?? {}).filter((name) => name !== 'master');
  return {
    weights: list('weight'),
    masters: list('master'),
    state: Object.fromEntries(slots.map((name) => [name, list(name)])),
    elements: entries.reduce((sum, entry) => sum + entry.weight.size, 0),
  };
}
