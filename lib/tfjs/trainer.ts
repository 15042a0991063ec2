// The state and the work of one optimizer for TensorFlow.js: gradients go to a device, it steps, values come back.
import { Device } from '../core/device.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { Owned } from '../core/owned.ts';
import { readNow, Tensor } from '../core/tensor.ts';
import type { LoadResult, SaveOptions } from '../files/stateful.ts';
import type { TransferOptions } from '../files/transfer.ts';
import { assign } from './assign.ts';
import { fill } from './carry.ts';
import { type Entry, entriesOf, type Look, registered, type TfjsGradients, variablesOf } from './gradients.ts';
import { type Change, changesOf, checkShapes, namesOf, type Parameter, parameterOf, send } from './parameters.ts';
import { borrowed, floats, type Tfjs, type TfjsTensor, type TfjsVariable } from './peer.ts';
import { giveScalars, scalarsOf } from './scalars.ts';
import { checkSpec, type Made, make, numberedParts, partsOf, type Spec } from './spec.ts';
import { encoded, fitted, type StoredState, statesOf } from './state.ts';
import { stepOnly, Zeros } from './step-only.ts';

/** A step whose gradients have been checked. */
interface Prepared {
  readonly made: Made;
  readonly changes: readonly Change[];
  readonly given: readonly { readonly parameter: Parameter; readonly gradient: TfjsTensor }[];
}

export class Trainer {
  readonly tf: Tfjs;
  readonly device: Device;
  readonly #isOwnDevice: boolean;
  readonly #owned = new Owned<Tensor>();
  readonly #parameters = new Map<string, Parameter>();
  readonly #zeros: Zeros;
  readonly #mark: Tensor<'f32'>;
  readonly #spec: Spec;
  #scalars: Spec['scalars'];
  #made: Made | undefined;
  /** State of variables that are not known yet. */
  #stored = new Map<string, StoredState>();
  #steps = 0;
  #isBusy = false;
  #isDisposed = false;

  constructor(where: string, tf: Tfjs, spec: Spec, device: Device | undefined) {
    this.tf = tf;
    this.#spec = spec;
    this.#scalars = spec.scalars;
    this.#isOwnDevice = device === undefined;
    this.device = device ?? Device.open('cpu');
    this.#zeros = new Zeros(this.device);
    try {
      checkSpec(where, spec, this.device);
      this.#mark = this.#owned.add(Tensor.zeros(this.device, [1]));
    } catch (error) {
      if (this.#isOwnDevice) this.device.close().catch(() => {});
      throw error;
    }
  }

  /** The optimizer. @throws ERR_STATE before the variables are known */
  made(where: string): Made['optimizer'] {
    this.#check(where);
    if (this.#made) return this.#made.optimizer;
    throw new OrthokitError('ERR_STATE', `${where}: the variables are not known before the first step; see bind()`);
  }

  get stateBytes(): number {
    return this.#made?.optimizer.stateBytes ?? 0;
  }

  /** Steps of the state. */
  get steps(): number {
    return this.#steps;
  }

  /** All that makes the same optimizer again, its state apart. */
  get spec(): Spec {
    const isThere = this.#made && !this.#isDisposed;
    return { ...this.#spec, scalars: isThere ? scalarsOf(this.#scalars, numberedParts(this.#made!)) : this.#scalars };
  }

  /** Makes variables known. */
  bind(where: string, names: unknown): void {
    this.#check(where);
    this.#ensure(where, variablesOf(this.#look(where), names));
  }

  /** One step; this thread waits for it. */
  step(gradients: TfjsGradients): void {
    const { made, changes, given } = this.#prepare('applyGradients', gradients);
    const weights = changes.map(({ parameter }) => parameter.weight);
    const into = weights.map(({ size }) => new Float32Array(size));
    try {
      for (const { parameter, gradient } of given) send(parameter.gradient, borrowed(this.tf, gradient));
      for (const { parameter, variable } of changes) {
        if (parameter.dataId !== variable.dataId) send(parameter.weight, borrowed(this.tf, variable));
        parameter.dataId = undefined;
      }
      stepOnly(made.optimizer, this.#gradients(changes, given));
      readNow(weights, into);
    } catch (error) {
      this.#recount();
      this.#settle();
      throw error;
    }
    this.#steps += 1;
    const values = changes.map((change, i) => ({ ...change, value: into[i]! }));
    assign(this.tf, 'applyGradients', values);
  }

  /** One step, off the event loop; one call at a time. */
  async stepLater(gradients: TfjsGradients): Promise<void> {
    const where = 'applyGradientsAsync';
    const { made, changes, given } = this.#prepare(where, gradients);
    this.#isBusy = true;
    try {
      const dataIds = changes.map(({ variable }) => variable.dataId);
      const stale = changes.filter(({ parameter, variable }) => parameter.dataId !== variable.dataId);
      const [sent, values] = await Promise.all([
        Promise.all(given.map(({ gradient }) => gradient.data())),
        Promise.all(stale.map(({ variable }) => variable.data())),
      ]);
      this.#checkAlive(where);
      for (const [i, { parameter }] of given.entries()) send(parameter.gradient, floats(sent[i]));
      for (const { parameter } of changes) parameter.dataId = undefined;
      for (const [i, { parameter }] of stale.entries()) send(parameter.weight, floats(values[i]));
      stepOnly(made.optimizer, this.#gradients(changes, given));
      const into = await Promise.all(changes.map(({ parameter }) => parameter.weight.read()));
      this.#checkAlive(where);
      this.#steps += 1;
      const alive = changes
        .map((change, i) => ({ ...change, value: into[i]!, isSame: change.variable.dataId === dataIds[i] }))
        .filter(({ variable }) => !variable.isDisposed);
      const same = alive.filter(({ isSame }) => isSame);
      assign(this.tf, where, same);
      const changed = alive.find(({ isSame }) => !isSame)?.parameter.name;
      if (changed !== undefined)
        throw new OrthokitError('ERR_STATE', `${where}: variable ${shown(changed)} was changed meanwhile`);
    } catch (error) {
      this.#recount();
      throw error;
    } finally {
      this.#isBusy = false;
    }
  }

  /** State by name, also such as waits for its variables. */
  async states(where: string): Promise<Map<string, StoredState>> {
    this.#check(where);
    const stored = [...this.#stored];
    const states = this.#made ? [...statesOf(this.#made, namesOf(this.#parameters.values()))] : [];
    const data = await Promise.all(states.map(([, tensor]) => tensor.read()));
    const own = states.map(([name, { dtype, shape }], i) => [name, encoded(dtype, shape, data[i]!)] as const);
    return new Map([...own, ...stored]);
  }

  /** Puts state back, now or when its variables are known; all is looked at first. */
  restore(where: string, stored: Map<string, StoredState>, steps: number): void {
    this.#check(where);
    if (this.#made) {
      const { values, left } = fitted(where, statesOf(this.#made, namesOf(this.#parameters.values())), stored);
      const extra = left.find((name) => !this.#stored.has(name));
      if (extra !== undefined)
        throw new OrthokitError('ERR_STATE', `${where}: the weights have state that nothing has here: ${extra}`);
      for (const [tensor, value] of values) tensor.write(value);
      this.#stored = new Map(left.map((name) => [name, stored.get(name)!]));
    } else this.#stored = stored;
    this.#steps = steps;
    this.#recount();
  }

  /** @throws ERR_STATE while state waits for variables, which the file could not keep */
  async save(path: string, options: SaveOptions): Promise<void> {
    const optimizer = this.made('save');
    const [waiting] = this.#stored.keys();
    if (waiting !== undefined)
      throw new OrthokitError('ERR_STATE', `save: state ${waiting} waits for its variable; see bind()`);
    await optimizer.save(path, options);
  }

  async load(path: string, options: TransferOptions): Promise<LoadResult> {
    const optimizer = this.made('load');
    this.#isBusy = true;
    try {
      const result = await optimizer.load(path, options);
      this.#checkAlive('load');
      this.#stored.clear();
      this.#steps = Math.max(...partsOf(this.#made!).map(({ steps }) => steps));
      return result;
    } finally {
      this.#isBusy = false;
    }
  }

  dispose(): void {
    if (this.#isDisposed) return;
    this.#scalars = this.spec.scalars;
    this.#isDisposed = true;
    this.#made?.optimizer.dispose();
    this.#owned.dispose();
    this.#zeros.dispose();
    this.#parameters.clear();
    this.#stored.clear();
    if (this.#isOwnDevice) this.device.close().catch(() => {});
  }

  #checkAlive(where: string): void {
    if (this.#isDisposed) throw new OrthokitError('ERR_DISPOSED', `${where}: the optimizer has been disposed`);
  }

  #check(where: string): void {
    this.#checkAlive(where);
    if (this.#isBusy) throw new OrthokitError('ERR_STATE', `${where}: another step runs, or load()`);
  }

  #look(where: string): Look {
    return { where, tf: this.tf, known: this.#parameters };
  }

  /** Sees that an optimizer has all these variables: the first time it is made, later made anew with more. */
  #ensure(where: string, variables: readonly TfjsVariable[]): void {
    checkShapes(where, this.#parameters, variables);
    const fresh = variables.filter(
      ({ name, trainable, dtype }) => trainable && dtype === 'float32' && !this.#parameters.has(name),
    );
    if (fresh.length === 0) return;
    const before = [...this.#parameters.values()];
    const gone = new Set(before.filter(({ name }) => !registered(this.tf, name)));
    using owned = new Owned<Tensor>();
    const added = fresh.map((variable) => parameterOf(this.tf, this.device, owned, variable));
    const kept = before.filter((parameter) => !gone.has(parameter));
    const all = [...kept, ...added];
    const next = make(this.#spec, Object.fromEntries(all.map(({ name, weight }): [string, Tensor] => [name, weight])));
    const { scalars } = this.spec;
    try {
      giveScalars(where, numberedParts(next), scalars);
      this.#stored = fill(
        where,
        this.#made && statesOf(this.#made, namesOf(before)),
        statesOf(next, namesOf(all)),
        this.#stored,
        new Set(kept.map(({ name }) => name)),
      );
    } catch (error) {
      next.optimizer.dispose();
      throw error;
    }
    this.#scalars = scalars;
    this.#made?.optimizer.dispose();
    this.#made = next;
    this.#recount();
    for (const { name, weight, gradient } of gone) {
      this.#parameters.delete(name);
      for (const tensor of [weight, gradient]) this.#owned.drop(tensor);
    }
    for (const parameter of added) this.#parameters.set(parameter.name, parameter);
    for (const tensor of [...owned]) this.#owned.add(owned.release(tensor));
  }

  /** The changes of a step, once all is looked at; the optimizer knows the variables then. */
  #prepare(where: string, gradients: TfjsGradients): Prepared {
    this.#check(where);
    const entries = entriesOf(this.#look(where), gradients);
    const variables = entries.map(({ variable }) => variable);
    this.#ensure(where, variables);
    const made = this.#made;
    if (!made) throw refusal(where, 'gradients', 'have one of a variable', 'none');
    const given = entries
      .filter((entry): entry is Entry & { gradient: TfjsTensor } => entry.gradient !== null)
      .map(({ variable, gradient }) => ({ parameter: this.#parameters.get(variable.name)!, gradient }));
    const present = new Set(given.map(({ parameter }) => parameter));
    const changes = changesOf(this.tf, this.#parameters.values(), made, present);
    return { made, changes, given };
  }

  #gradients(changes: Prepared['changes'], given: Prepared['given']): Map<Tensor, Tensor | null> {
    const gradients = new Map<Tensor, Tensor | null>();
    for (const { weight } of this.#parameters.values()) gradients.set(weight, null);
    for (const { parameter } of given) gradients.set(parameter.weight, parameter.gradient);
    for (const { parameter } of changes)
      if (!gradients.get(parameter.weight)) gradients.set(parameter.weight, this.#zeros.of(parameter.shape));
    return gradients;
  }

  /** A step that was held back or failed counts for no part. */
  #recount(): void {
    if (this.#isDisposed || !this.#made) return;
    for (const part of partsOf(this.#made)) part.restore(this.#steps);
  }

  /**
   * Waits after a failure until nothing of TensorFlow.js is read any more, and the variables have the values that
   * count.
   */
  #settle(): void {
    try {
      readNow([this.#mark], [new Float32Array(1)]);
    } catch {
      // The failure that is thrown came first.
    }
  }
}
