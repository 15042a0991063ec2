import type { Device } from '../../core/device.ts';
import type { TypedArray } from '../../core/native.ts';
import { Owned } from '../../core/owned.ts';
import { give, lend, Tensor } from '../../core/tensor.ts';
import { spanBytes } from '../contents.ts';
import { tensorDtype } from './dtypes.ts';
import type { TensorFile } from './file.ts';

/** A new tensor with the elements of one in a file; `onBytes` hears of each span. */
export async function newTensor(
  op: string,
  device: Device,
  file: Pick<TensorFile, 'tensors' | 'read' | 'readSpans'>,
  name: string,
  onBytes?: (count: number) => void,
): Promise<Tensor> {
  const info = file.tensors.get(name)!;
  using owned = new Owned<Tensor>();
  const tensor = owned.add(new Tensor(device, info.shape, tensorDtype(op, name, info)));
  if (info.byteLength <= spanBytes) {
    give(tensor, await file.read(name, onBytes));
  } else {
    // Host memory for all of it would take the system longer to find than the file to be read.
    await file.readSpans(name, (span, first) => {
      const taken = lendSpan(tensor, span, first);
      onBytes?.(span.byteLength);
      return taken;
    });
  }
  // The arrays are there until they have been copied to the device.
  await device.flow();
  owned.move();
  return tensor;
}

/** Elements of a tensor, from the `first` on, become those of a span, which is free when the promise resolves. */
function lendSpan(tensor: Tensor, span: TypedArray, first: number): Promise<unknown> {
  using flat = tensor.reshape([tensor.size]);
  using part = flat.rows(first, first + span.length);
  return lend(part, span);
}
