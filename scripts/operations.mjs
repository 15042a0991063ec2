// Places of operations: each lies in the folder of its group, which every layer mirrors.
import { readdirSync } from 'node:fs';
import path from 'node:path';

const headers = path.join(import.meta.dirname, '..', 'native', 'ops');

/**
 * The group of each operation, by its name. What several operations share lies in a group's folder `shared`.
 *
 * @type {ReadonlyMap<string, string>}
 */
export const groups = new Map(
  readdirSync(headers, { withFileTypes: true })
    .filter((folder) => folder.isDirectory() && folder.name !== 'shared')
    .flatMap(({ name: group }) =>
      readdirSync(path.join(headers, group))
        .filter((file) => file.endsWith('.h'))
        .map((file) => [file.slice(0, -'.h'.length), group]),
    ),
);
