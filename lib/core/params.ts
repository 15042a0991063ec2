import * as check from './check.ts';
import type { Device } from './device.ts';
import { refusal, shown } from './errors.ts';
import type { Tensor } from './tensor.ts';

/** @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED unless f32 or f64 tensors of one device */
export function checkParams(where: string, name: string, value: unknown): asserts value is readonly Tensor[] {
  if (!Array.isArray(value) || value.length === 0) throw refusal(where, name, 'be a list of tensors', shown(value));
  for (let i = 0; i < value.length; ++i) {
    const first = value[0] as Tensor;
    const one: unknown = value[i];
    const field = `${name}[${i}]`;
    check.tensor(where, field, one, { dtypes: check.arithmetic, filled: true, ...(i > 0 && { device: first.device }) });
    check.tensor(where, field, one, { dtypes: [first.dtype] });
    if (value.indexOf(one) !== i) throw refusal(where, field, 'be another tensor', `${name}[${value.indexOf(one)}]`);
  }
}

/** @throws the same unless the tensors are like others, one by one */
export function checkLike(
  where: string,
  name: string,
  value: unknown,
  like: readonly { readonly shape: readonly number[]; readonly dtype: Tensor['dtype']; readonly device: Device }[],
): asserts value is readonly Tensor[] {
  if (!Array.isArray(value)) throw refusal(where, name, 'be a list of tensors', shown(value));
  if (value.length !== like.length)
    throw refusal(where, name, `have ${like.length} tensors`, value.length, 'ERR_SHAPE');
  for (const [i, { shape, dtype, device }] of like.entries())
    check.tensor(where, `${name}[${i}]`, value[i], { shape, dtypes: [dtype], device });
}
