// adapter_config.json of peft: what is written of ranks and scales.
import { patternOf } from './patterns.ts';

/** A layer, as far as the configuration tells of it. */
interface Scaled {
  readonly rank: number;
  readonly alpha: number;
}

/** The number that most layers have; of several, the first. */
function commonest(numbers: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const number of numbers) counts.set(number, (counts.get(number) ?? 0) + 1);
  return [...counts].reduce((best, next) => (next[1] > best[1] ? next : best))[0];
}

/** An object as JSON, whose keys stay in their order: one of JavaScript has whole numbers first. */
const ordered = (pattern: readonly (readonly [string, number])[]): string =>
  `{${pattern.map(([name, own]) => `\n    ${JSON.stringify(name)}: ${own}`).join()}${pattern.length > 0 ? '\n  ' : ''}}`;

/** The text of the configuration of some layers, by module. @throws ERR_ARGUMENT for names that no pattern can have */
export function configOf(
  op: string,
  layers: ReadonlyMap<string, Scaled>,
  { rslora, baseModel, taskType }: { rslora: boolean; baseModel: string | undefined; taskType: string | undefined },
): string {
  const all = [...layers.values()];
  const [r, alpha] = [commonest(all.map((layer) => layer.rank)), commonest(all.map((layer) => layer.alpha))];
  const pattern = (of: (layer: Scaled) => number, usual: number): string =>
    ordered(patternOf(op, new Map([...layers].map(([module, layer]) => [module, of(layer)])), usual));
  const patterns = {
    alpha_pattern: pattern((layer) => layer.alpha, alpha),
    rank_pattern: pattern((layer) => layer.rank, r),
  };
  const config = {
    auto_mapping: null,
    base_model_name_or_path: baseModel ?? null,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layer_replication: null,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: alpha,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r,
    revision: null,
    target_modules: [...layers.keys()].sort(),
    task_type: taskType ?? null,
    use_dora: false,
    use_rslora: rslora,
  };
  const texts = Object.entries(config).map(([key, value]): [string, string] => [
    key,
    JSON.stringify(value, null, 2).replaceAll('\n', '\n  '),
  ]);
  const members = [...texts, ...Object.entries(patterns)].sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, value]) => `\n  ${JSON.stringify(key)}: ${value}`).join()}\n}\n`;
}
