import type { Dtype } from '../../core/dtypes.ts';
import type { TypedArray } from '../../core/native.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { given, Tensor } from '../../core/tensor.ts';

/**
 * Numbers of one dtype times a factor, as a tensor of another one holds them: rounded once, on its device.
 * @returns undefined where numbers that are finite are no longer so
 */
export async function converted(
  data: TypedArray,
  dtype: Dtype,
  factor: number,
  { device, shape, dtype: wanted }: Tensor,
): Promise<TypedArray | undefined> {
  using owned = new Owned<Tensor>();
  const read = owned.add(given(device, data as never, shape, dtype));
  let made: Tensor;
  if (factor === 1) made = owned.add(read.cast(wanted));
  else {
    // The product in f64, as one in f32 would be rounded to 16 bits behind its own rounding.
    const wide = owned.add(read.cast('f64'));
    const factors = owned.add(Tensor.from(device, [factor], [1], { dtype: 'f64' }));
    made = owned.add(new Tensor(device, shape, wanted));
    ops.scaleEach(device, { out: [made], x: [wide], factors });
  }
  const counts = [read, made].map((tensor) => {
    const guard = owned.add(Tensor.zeros(device, [1], { dtype: 'f64' }));
    ops.checkFinite(device, { x: [tensor], guard });
    return guard;
  });
  const [[before], [after]] = (await Promise.all(counts.map((guard) => guard.read()))) as [TypedArray, TypedArray];
  return before === 0 && after !== 0 ? undefined : await made.read();
}
