// The API reference as pages, one for each sub-path of the package, and one for its operations.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Application } from 'typedoc';
import { arrange } from './api-pages.mjs';
import { root } from './pages.mjs';

/**
 * Writes the pages; throws where typedoc has a warning.
 *
 * @param {string} folder
 */
export async function writeReference(folder) {
  const { entryPoints } = JSON.parse(readFileSync(path.join(root, 'typedoc.json'), 'utf8'));
  // A name that several entry points export is described by the first: a sub-path, not the root.
  const ordered = [...entryPoints.filter((file) => file !== 'lib/index.ts'), 'lib/index.ts'];
  // All else is as typedoc.json says.
  const app = await Application.bootstrapWithPlugins({
    options: path.join(root, 'typedoc.json'),
    entryPoints: ordered.map((file) => path.join(root, file)),
    projectDocuments: [],
    plugin: ['typedoc-plugin-markdown'],
    readme: 'none',
    outputFileStrategy: 'modules',
    out: folder,
    entryFileName: 'index',
    hidePageHeader: true,
    hideBreadcrumbs: true,
    useHTMLAnchors: true,
    parametersFormat: 'table',
    groupOrder: ['Functions', 'Classes', 'Variables', 'Interfaces', 'Type Aliases', '*'],
    logLevel: 'Warn',
  });
  const project = await app.convert();
  if (project === undefined) throw new Error('typedoc could not read the entry points');
  app.validate(project);
  await app.generateOutputs(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error('typedoc warns of the API reference');
  arrange(folder);
}
