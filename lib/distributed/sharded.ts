import { randomInt } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import nodePath from 'node:path';
import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { isHalf } from '../core/dtypes.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { isRecord } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import { count, readOptions, type Schema, watchers, whole } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import { attempt } from '../files/calls.ts';
import { type KeptState, loadState, saveState } from '../files/state.ts';
import type { LoadResult, SaveOptions } from '../files/stateful.ts';
import { checkPath, saveSchema, type TransferOptions } from '../files/transfer.ts';
import type { CommonOptions } from '../optimizers/base/common-options.ts';
import type { Optimizer, OptimizerOptions } from '../optimizers/base/optimizer.ts';
import {
  deviceOf,
  type Gradients,
  gradientsOf,
  groupsOf,
  type Group as Options,
  type Params,
  pathsOf,
} from '../optimizers/base/params.ts';
import { Muon, type MuonOptions } from '../optimizers/muon.ts';
import { NorMuon, type NorMuonOptions } from '../optimizers/nor-muon.ts';
import { Group } from './group.ts';

/** Statistics of the last step, of all ranks together. */
export interface ShardedReport {
  /** Steps so far. */
  readonly step: number;
  /** 2-norm of all gradients, before decay. */
  readonly gradNorm: number;
  /** Root mean square of what was subtracted from the weights, without decay. */
  readonly updateRms: number;
  /** Matrices in `f16` or `bf16` without masters: the share of updates that were lost, as `lostUpdates` of a report. */
  readonly lostUpdates?: number;
}

interface Numbers {
  steps: number;
  token: number;
  groups: readonly Readonly<Record<string, number>>[];
}

const isScalars = (x: unknown): boolean => isRecord(x) && Object.values(x).every((value) => typeof value === 'number');
const schema: Schema<Numbers> = {
  steps: count(0, 0),
  token: whole(0, 0, 2 ** 47),
  groups: {
    default: [],
    wrong: (x) => (Array.isArray(x) && x.every(isScalars) ? undefined : 'must be a list of numbers by name'),
  },
};

/** One parameter and what steps it, on the rank that owns it. */
interface Unit<O extends CommonOptions> {
  readonly param: Tensor;
  readonly group: Options<O>;
  readonly owner: number;
  readonly make: () => Optimizer<O>;
  optimizer: Optimizer<O> | undefined;
}

type Make<O extends CommonOptions> = new (params: Params<O>, options: OptimizerOptions<O>) => Optimizer<O>;

/**
 * An optimizer of matrices whose work and state are shared out: each matrix belongs to one rank, which alone has its
 * moments and orthogonalizes it; then the new weights reach all ranks in one exchange. Base of {@link ShardedMuon} and
 * {@link ShardedNorMuon}; exported for types.
 * @throws ERR_ARGUMENT, ERR_UNSUPPORTED; what the optimizer of one matrix throws
 */
export abstract class Sharded<O extends CommonOptions> {
  /** The processes. */
  readonly group: Group;
  /** The groups of parameters, in the order given; assign to their scalars between steps, the same on all ranks. */
  readonly groups: readonly Options<O>[];
  /** The device of all parameters. */
  readonly device: Device;
  /** The rank that each parameter belongs to, in their order: the largest work first, each to who has least. */
  readonly owners: readonly number[];
  readonly #name: string;
  readonly #units: readonly Unit<O>[];
  readonly #params: readonly Tensor[];
  readonly #owned: Owned<Optimizer<O>>;
  #steps = 0;
  #isBusy = false;
  #isDisposed = false;

  /** @internal */
  protected constructor(name: string, make: Make<O>, group: Group, params: Params<O>, options: OptimizerOptions<O>) {
    check.instance(name, 'group', group, Group);
    if (!isRecord(options)) throw refusal(name, 'options', 'be an object', shown(options));
    if (options.nonFinite === 'skip' || options.nonFinite === 'throw')
      throw new OrthokitError('ERR_UNSUPPORTED', `${name}: nonFinite must be 'propagate', got '${options.nonFinite}'`);
    this.#name = name;
    this.group = group;
    const groups = groupsOf(name, params, options);
    const all = groups.flatMap((own) => pathsOf(own.params).tensors);
    this.device = deviceOf(
      name,
      all,
      groups.map((own, g) => ({ name: own.name ?? String(g) })),
    );
    this.#params = Object.freeze(all);
    this.owners = Object.freeze(ownersOf(all, group.size));
    const { parameters, overlap, ...rest } = options as OptimizerOptions<O> & Record<string, unknown>;
    using made = new Owned<Optimizer<O>>();
    const settled: Options<O>[] = [];
    const units: Unit<O>[] = [];
    for (const [g, own] of groups.entries()) {
      const { name: text = String(g), params: chosen, ...overrides } = own;
      const { tensors } = pathsOf(chosen);
      let first: Options<O> | undefined;
      for (const param of tensors) {
        const owner = this.owners[units.length]!;
        const unit = [{ ...overrides, name: text, params: [param] }] as unknown as Params<O>;
        const again = (): Optimizer<O> => new make(unit, rest as OptimizerOptions<O>);
        // Made on every rank, so that every rank finds the same faults.
        const optimizer = made.add(again());
        first ??= Object.seal({ ...optimizer.groups[0]!, params: Object.freeze([...tensors]) });
        const isOwn = owner === group.rank;
        units.push({ param, group: first, owner, make: again, optimizer: isOwn ? optimizer : undefined });
        if (!isOwn) made.drop(optimizer);
      }
      if (first) settled.push(first);
    }
    this.groups = Object.freeze(settled);
    this.#units = units;
    this.#owned = made.move();
  }

  /**
   * One step: each rank steps its own matrices by the gradients given, which must be the same on all ranks, as
   * {@link DataParallel.average} makes them; then all have the new weights.
   * @param grads A gradient or `null` for each parameter, or a map, as for every optimizer; never changed.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED; as `Group.share`
   */
  async step(grads: Gradients): Promise<void> {
    const where = `${this.#name}.step`;
    await this.#alone(where, async () => {
      const list = gradientsOf(where, this.#params, grads);
      for (const [i, grad] of list.entries()) {
        const { shape } = this.#params[i]!;
        if (grad !== null)
          check.tensor(where, `grads[${i}]`, grad, { dtypes: check.floating, shape, device: this.device });
      }
      const stepped = this.#units.filter(({ group }, i) => list[i] !== null || group.missingGrad === 'zero');
      for (const [i, { optimizer, group }] of this.#units.entries()) {
        if (!optimizer) continue;
        settle(optimizer.groups[0]!, group);
        optimizer.step([list[i]!]);
      }
      this.#steps += 1;
      await this.group.share(
        stepped.map(({ param }) => param),
        stepped.map(({ owner }) => owner),
        { tag: `weights of step ${this.#steps}` },
      );
    });
  }

  /** Statistics of the last step; all ranks ask together. @throws ERR_DISPOSED; as `Group.numbers` */
  async report(): Promise<ShardedReport> {
    return this.#alone(`${this.#name}.report`, async () => {
      const own = this.#units.filter(({ optimizer }) => optimizer);
      const reports = await Promise.all(own.map(({ optimizer }) => optimizer!.report()));
      const sumOf = async (value: (i: number) => number): Promise<number> => {
        const sum = reports.reduce((total, _, i) => total + value(i), 0);
        return (await this.group.numbers(sum, { tag: 'report' })).reduce((a, b) => a + b, 0);
      };
      const squares = await sumOf((i) => reports[i]!.gradNorm ** 2);
      const updates = await sumOf((i) => reports[i]!.updateRms ** 2 * own[i]!.param.size);
      const size = this.#params.reduce((sum, param) => sum + param.size, 0);
      // All ranks know all parameters, and so whether to ask.
      const mayLose = this.#params.some(({ dtype }) => isHalf(dtype));
      const elements = mayLose
        ? await sumOf((i) => (reports[i]!.lostUpdates === undefined ? 0 : own[i]!.param.size))
        : 0;
      const lost = elements > 0 ? await sumOf((i) => (reports[i]!.lostUpdates ?? 0) * own[i]!.param.size) : 0;
      return {
        step: this.#steps,
        gradNorm: Math.sqrt(squares),
        updateRms: Math.sqrt(updates / size),
        ...(elements > 0 ? { lostUpdates: lost / elements } : {}),
      };
    });
  }

  /** Bytes of state on this rank. */
  get stateBytes(): number {
    return this.#units.reduce((sum, { optimizer }) => sum + (optimizer?.stateBytes ?? 0), 0);
  }

  /**
   * Stores state, step counter and scalars in a folder that all ranks see, a file for each parameter and one that says
   * which count; that one is replaced last and whole, so a run that dies meanwhile leaves the state before. All ranks
   * save together; any number of ranks may load it. Where it fails on one rank, all are rejected, the others with
   * ERR_IO.
   * @throws ERR_ARGUMENT, ERR_DISPOSED, ERR_IO; as `Group.barrier`
   */
  async saveShards(folder: string, options: SaveOptions = {}): Promise<void> {
    const where = `${this.#name}.saveShards`;
    checkPath(where, folder);
    const { metadata, ...watched } = readOptions(where, options, saveSchema);
    await this.#alone(where, async () => {
      const [token = 0] = await this.group.numbers(randomInt(2 ** 47), { tag: 'save' });
      const inner = nodePath.join(folder, nameOf(this.#steps, token));
      await this.#together(where, 'saved', async () => {
        await attempt(where, inner, 'created', mkdir(inner, { recursive: true }));
        for (const [i, { optimizer }] of this.#units.entries())
          await optimizer?.save(nodePath.join(inner, `${i}.safetensors`), watched);
      });
      await this.#together(where, 'save is done', async () => {
        if (this.group.rank !== 0) return;
        const kept = this.#kept({ steps: this.#steps, token, groups: this.groups.map(scalarsOf) });
        await saveState(nodePath.join(folder, manifest), where, kept, { ...watched, metadata });
        for (const name of await readdir(folder))
          if (stateFolder.test(name) && name !== nameOf(this.#steps, token))
            await rm(nodePath.join(folder, name), { recursive: true, force: true });
      });
    });
  }

  /**
   * Brings back what `saveShards` stored; all ranks load together. All files are read and
   * checked on all ranks before anything changes; until then there is twice the state. Where it fails on one rank,
   * all are rejected, the others with ERR_IO.
   * @throws ERR_STATE for a state that does not fit, ERR_FORMAT for a file that is not what it says, ERR_DISPOSED,
   * ERR_IO; as `Group.barrier`
   */
  async loadShards(folder: string, options: TransferOptions = {}): Promise<LoadResult> {
    const where = `${this.#name}.loadShards`;
    checkPath(where, folder);
    readOptions(where, options, watchers());
    return this.#alone(where, async () => {
      let found: Numbers = { steps: 0, token: 0, groups: [] };
      // Into optimizers of their own, which take the place of those that are there once all ranks have theirs.
      using fresh = new Owned<Optimizer<O>>();
      const loaded = new Map<Unit<O>, Optimizer<O>>();
      const result = await this.#together(where, 'load is done', async () => {
        const kept = this.#kept(found);
        const read = await loadState(nodePath.join(folder, manifest), where, kept, options, (numbers) => {
          found = numbers;
        });
        if (found.groups.length !== this.groups.length)
          throw new OrthokitError(
            'ERR_STATE',
            `${where}: groups must be ${this.groups.length}, got ${found.groups.length}`,
          );
        const inner = nodePath.join(folder, nameOf(found.steps, found.token));
        for (const [i, unit] of this.#units.entries()) {
          if (!unit.optimizer) continue;
          const optimizer = fresh.add(unit.make());
          loaded.set(unit, optimizer);
          await optimizer.load(nodePath.join(inner, `${i}.safetensors`), options);
        }
        return read;
      });
      if (this.#isDisposed) throw new OrthokitError('ERR_DISPOSED', `${where}: the optimizer has been disposed`);
      for (const [unit, optimizer] of loaded) {
        this.#owned.drop(unit.optimizer!);
        unit.optimizer = this.#owned.add(fresh.release(optimizer));
      }
      for (const [g, group] of this.groups.entries()) {
        const values = found.groups[g]!;
        const known = Object.keys(scalarsOf(group)).filter((key) => Object.hasOwn(values, key));
        Object.assign(group, Object.fromEntries(known.map((key) => [key, values[key]])));
      }
      this.#steps = found.steps;
      return result;
    });
  }

  /** Gives the memory of the state back; parameters stay. */
  dispose(): void {
    this.#isDisposed = true;
    this.#owned.dispose();
  }

  /** Work of all ranks, after which none goes on where it failed on one. */
  async #together<T>(where: string, tag: string, work: () => Promise<T>): Promise<T> {
    const [own] = await Promise.allSettled([work()]);
    const failed = await this.group.numbers(own.status === 'rejected' ? 1 : 0, { tag });
    if (own.status === 'rejected') throw own.reason;
    const ranks = [...failed.keys()].filter((rank) => failed[rank] !== 0);
    if (ranks.length > 0)
      throw new OrthokitError('ERR_IO', `${where}: it failed on rank ${ranks.join(', ')}, whose error says why`);
    return own.value;
  }

  #kept(numbers: Numbers): KeptState<Numbers> {
    const settings = { optimizer: this.#name, shapes: this.#params.map(({ shape }) => [...shape]) };
    return { of: 'Sharded', settings, schema, tensors: {}, numbers };
  }

  /** One call at a time: all ranks make them in one order. */
  async #alone<T>(where: string, body: () => Promise<T>): Promise<T> {
    if (this.#isDisposed) throw new OrthokitError('ERR_DISPOSED', `${where}: the optimizer has been disposed`);
    if (this.#isBusy) throw refusal(where, 'the call before', 'be awaited', 'one that runs');
    this.#isBusy = true;
    try {
      return await body();
    } finally {
      this.#isBusy = false;
    }
  }
}

const manifest = 'state.safetensors';
const stateFolder = /^state-\d+-[0-9a-f]+$/;
const nameOf = (steps: number, token: number): string => `state-${steps}-${token.toString(16)}`;

/** Scalars that may be scheduled. */
function scalarsOf(group: object): Record<string, number> {
  const numbers = Object.entries(group).filter(([, value]) => typeof value === 'number');
  return Object.fromEntries(numbers) as Record<string, number>;
}

/** Gives the group of one optimizer what was assigned to that of all. */
function settle(own: object, group: object): void {
  for (const [key, value] of Object.entries(group))
    if (key !== 'params' && key !== 'name' && (own as Record<string, unknown>)[key] !== value)
      (own as Record<string, unknown>)[key] = value;
}

/** The largest first, each to the rank that has least; work is that of products with the Gram matrix. */
function ownersOf(params: readonly Tensor[], ranks: number): number[] {
  const work = params.map(({ shape, size }) => {
    const rows = shape.at(-2) ?? 1;
    const columns = shape.length === 4 ? size / (shape[0]! || 1) : (shape.at(-1) ?? 1);
    const [m, n] = shape.length === 4 ? [shape[0]!, columns] : [rows, columns];
    return size * Math.min(m, n);
  });
  const loads = new Float64Array(ranks);
  const owners: number[] = new Array(params.length).fill(0);
  const order = [...params.keys()].sort((a, b) => work[b]! - work[a]! || a - b);
  for (const i of order) {
    const owner = loads.indexOf(Math.min(...loads));
    owners[i] = owner;
    loads[owner]! += work[i]! + 1;
  }
  return owners;
}

/**
 * {@link Muon} with its matrices shared out over the ranks of a group: the same options and, up to the order in which
 * gradients were summed, the same weights; with equal gradients the same bits. `nonFinite` is `'propagate'` alone.
 *
 * @example
 * const optimizer = new ShardedMuon(group, matrices, { lr: 0.02 });
 * await optimizer.step(await parallel.average(grads, labels));
 *
 * @throws what {@link Muon} throws
 */
export class ShardedMuon extends Sharded<MuonOptions> {
  constructor(group: Group, params: Params<MuonOptions>, options: OptimizerOptions<MuonOptions> = {}) {
    super('ShardedMuon', Muon as unknown as Make<MuonOptions>, group, params, options);
  }
}

/** {@link NorMuon} with its matrices shared out, as {@link ShardedMuon}. @throws what {@link NorMuon} throws */
export class ShardedNorMuon extends Sharded<NorMuonOptions> {
  constructor(group: Group, params: Params<NorMuonOptions>, options: OptimizerOptions<NorMuonOptions> = {}) {
    super('ShardedNorMuon', NorMuon as unknown as Make<NorMuonOptions>, group, params, options);
  }
}
