import type { JobRun } from '../../files/model-folder/job.ts';
import type { Needs } from '../../files/model-folder/needs.ts';
import { few, quote } from '../../files/quote.ts';
import type { Method, Ready } from '../methods/method.ts';
import type { Settings } from '../options.ts';
import type { Fit } from './fit.ts';
import type { Model } from './models.ts';
import type { Ledger } from './new-tensors.ts';
import { type MergedModelReport, type MergedTensorReport, type MergeReport, tensorReport } from './report.ts';
import type { HashedFile } from './scan.ts';
import { licenseOf } from './texts.ts';
import { Update } from './update.ts';

/** All that is known before anything is read or written. */
interface Known {
  readonly settings: Settings;
  readonly out: string;
  readonly models: readonly Model[];
  readonly method: Method;
  readonly fit: Fit;
  readonly needs: Needs;
  readonly files: Pick<MergeReport, 'copied' | 'notCopied'>;
}

function adapterReport(model: Model, { merged }: Fit): MergedModelReport['adapter'] {
  const updates = merged.flatMap(({ parts }) => parts.find((part) => part.model === model) ?? []);
  const factors = updates.flatMap((part) => (part instanceof Update ? (part.factors ?? []) : []));
  const distinct = (numbers: readonly number[]): number[] => [...new Set(numbers)].sort((a, b) => a - b);
  return {
    tensors: factors.length,
    ranks: distinct(factors.map(({ rank }) => rank)),
    scales: distinct(factors.map(({ scale }) => scale)),
  };
}

/** Makes the report of a merge of what is known: more with each step. */
export class Reporter {
  readonly #known: Known;
  readonly #licenses: readonly (string | undefined)[];
  hashes: readonly HashedFile[] | undefined;
  ready: Ready | undefined;
  ledger: Ledger | undefined;

  private constructor(known: Known, licenses: readonly (string | undefined)[]) {
    this.#known = known;
    this.#licenses = licenses;
  }

  static async of(known: Known): Promise<Reporter> {
    const licenses: (string | undefined)[] = [];
    for (const model of known.models) licenses.push(await licenseOf(model));
    return new Reporter(known, licenses);
  }

  async report(run: JobRun): Promise<MergeReport> {
    const { settings, out, method, fit, needs, files } = this.#known;
    const tensors: MergedTensorReport[] = [];
    for (const [i, tensor] of fit.merged.entries()) {
      const written = run.dryRun ? undefined : await this.ledger?.read(tensor.name, tensor.size);
      tensors.push(tensorReport(tensor, this.ready?.measured?.[i], written));
    }
    const [base, ...models] = this.#models();
    const { scale, density, warnings = [] } = this.ready ?? {};
    return {
      ...{ method: settings.method, formula: method.formula },
      ...run,
      ...{ out, base: base!, models },
      ...needs,
      ...(density && { density }),
      ...(scale !== undefined && { scale }),
      ...{ tensors, kept: fit.kept },
      ...files,
      warnings: [...fit.warnings, ...warnings, ...this.#licenseWarnings()],
    };
  }

  #models(): MergedModelReport[] {
    const { models, settings, fit } = this.#known;
    return models.map((model, i) => {
      const { label, path } = model;
      const weight = settings.weights?.[i - 1];
      const license = this.#licenses[i];
      const files = this.hashes?.filter((hashed) => hashed.label === label).map(({ file, sha256 }) => [file, sha256]);
      return {
        ...{ label, path },
        ...(weight !== undefined && { weight }),
        ...(model.adapter && { adapter: adapterReport(model, fit) }),
        ...(license !== undefined && { license }),
        ...(files && { files: Object.fromEntries(files) as Record<string, string> }),
      };
    });
  }

  #licenseWarnings(): string[] {
    const licenses = new Set(this.#licenses.filter((license) => license !== undefined));
    return licenses.size > 1 ? [`the models name different licences: ${few([...licenses], quote)}`] : [];
  }
}
