// The layout of peft: names of files and of tensors, https://huggingface.co/docs/peft/developer_guides/checkpoint.
export const weightsName = 'adapter_model.safetensors';
export const configName = 'adapter_config.json';

const prefix = 'base_model.model.';

/** A factor of an adapter, as the names of tensors spell it. */
export type Factor = 'lora_A' | 'lora_B';

export const tensorName = (module: string, factor: Factor): string => `${prefix}${module}.${factor}.weight`;

/** The module and the factor of a name; undefined of a name that is none of a linear layer's. */
export function partsOfName(name: string): { module: string; factor: Factor } | undefined {
  if (!name.startsWith(prefix)) return undefined;
  for (const factor of ['lora_A', 'lora_B'] as const) {
    const end = `.${factor}.weight`;
    if (name.endsWith(end) && name.length > prefix.length + end.length)
      return { module: name.slice(prefix.length, -end.length), factor };
  }
  return undefined;
}
