// Every operation, with the examples of its header.
import { camelCase, fieldsOf } from '../../../support/examples.mjs';
import { bitsOf } from './bits.mjs';

const smaller = (size) => (size > 300 ? 37 : size);
const each = (write) => (operands) =>
  operands.filter(({ role }) => write === (role !== 'in')).map(({ tensor }) => tensor);

export async function checkOperations({ checker, device, native, library: { Tensor, ops } }) {
  /** True for an op that takes its example in smaller sizes. */
  const fits = (op, example) => {
    try {
      ops[camelCase(op.name)](device, fieldsOf(device, Tensor, op, example, smaller).fields);
      return true;
    } catch {
      return false;
    }
  };
  for (const op of JSON.parse(native.describe()))
    for (const example of checker.sampled(op.examples)) {
      const { fields, operands } = fieldsOf(device, Tensor, op, example, fits(op, example) ? smaller : undefined);
      const start = await Promise.all(operands.map(({ tensor }) => tensor.read()));
      await checker.check({
        name: `${op.name} ${example}`,
        reset: () => {
          for (const [i, { tensor }] of operands.entries()) tensor.write(start[i]);
        },
        call: () => ops[camelCase(op.name)](device, fields),
        results: () => bitsOf(each(true)(operands)),
        inputs: () => bitsOf(each(false)(operands)),
      });
      for (const { tensor } of operands) tensor.dispose();
    }
}
