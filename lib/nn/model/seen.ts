import { isTensor, type Tensor } from '../../core/tensor.ts';
import { bufferMarks, parameterPaths } from './parameters.ts';
import { holdersIn, isBag, isNode, type Node, partsOf } from './tree.ts';

/** The findings of a walk over a model. */
export interface Found {
  /** Its parameters and their paths. */
  readonly paths: ReadonlyMap<Tensor, string>;
  /** The objects that have a tensor at any depth below them. */
  readonly holders: ReadonlySet<unknown>;
}

interface Look extends Found {
  readonly model: unknown;
  readonly marks: number;
  readonly nodes: readonly {
    readonly node: Node;
    readonly keys: readonly string[];
    readonly values: readonly unknown[];
  }[];
  readonly tensors: readonly Tensor[];
}

/** True where every field of every object is what it was. */
function isAsItWas({ nodes, tensors, marks }: Look): boolean {
  if (marks !== bufferMarks()) return false;
  for (const tensor of tensors) if (tensor.disposed) return false;
  for (const { node, keys, values } of nodes) {
    const now = Object.keys(node);
    if (now.length !== keys.length) return false;
    for (let i = 0; i < keys.length; ++i) if (now[i] !== keys[i] || !Object.is(node[keys[i]!], values[i])) return false;
  }
  return true;
}

/** The parameters of a model that is used again and again, which is walked anew only where something has changed. */
export class Seen {
  #last: Look | undefined;

  forget(): void {
    this.#last = undefined;
  }

  /** @throws ERR_ARGUMENT for what is no object, and for tensors in a `Map` or a `Set`; ERR_DISPOSED */
  of(where: string, model: unknown): Found {
    if (this.#last && this.#last.model === model && isAsItWas(this.#last)) return this.#last;
    this.#last = undefined;
    const paths = parameterPaths(where, model);
    const values = partsOf(where, model).map(({ value }) => value);
    const nodes = [...new Set([model, ...values])].filter(isNode);
    const found = { paths, holders: holdersIn(model) };
    // A Map or a Set may change without a change of its fields.
    if (nodes.some(isBag)) return found;
    this.#last = {
      ...found,
      model,
      marks: bufferMarks(),
      nodes: nodes.map((node) => ({ node, keys: Object.keys(node), values: Object.values(node) })),
      tensors: values.filter(isTensor),
    };
    return found;
  }
}
