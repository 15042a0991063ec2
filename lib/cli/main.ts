#!/usr/bin/env node
// The command `orthokit`. Exit codes: 0 done, 1 failed, 2 wrong usage, 128 and the signal's number when interrupted.
// The addon is loaded by those commands that compute, so that help, and building one, need none.
import { bench } from './bench.ts';
import { build } from './build.ts';
import { type Command, headOf, helpOf, parse, UsageError, usageOf } from './command.ts';
import { compress } from './compress.ts';
import { info } from './info.ts';
import { merge } from './merge.ts';
import { run } from './run.ts';
import { transplant } from './transplant.ts';
import { version } from './version.ts';

const commands: Readonly<Record<string, Command>> = { info, bench, merge, compress, transplant, run, build };

function help(): string {
  const lines = Object.entries(commands).flatMap(([name, command]) => [
    `  ${usageOf(name, command)}`,
    `      ${command.summary}`,
  ]);
  const rest = ['  orthokit help <command>', '  orthokit --help | --version', ''];
  return [`orthokit ${version}`, '', ...lines, ...rest].join('\n');
}

function find(name: string): Command {
  if (!Object.hasOwn(commands, name)) throw new UsageError(`no command ${name}`);
  return commands[name]!;
}

/** The text of a command that takes so many words. */
function atMost(count: number, words: readonly string[], text: string): string {
  if (words.length > count) throw new UsageError(`Unexpected argument '${words[count]}'`);
  return text;
}

function print(text: string): number {
  console.log(text);
  return 0;
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined) throw new UsageError('no command');
  if (['--version', '-v'].includes(name)) return print(atMost(0, args, version));
  if (['--help', '-h'].includes(name)) return print(atMost(0, args, help()));
  if (name === 'help') return print(atMost(1, args, args.length === 0 ? help() : helpOf(args[0]!, find(args[0]!))));
  const command = find(name);
  const own = command.passesRest ? headOf(command.options, args)[0] : args;
  if (own.includes('--help') || own.includes('-h')) return print(helpOf(name, command));
  return command.run(...parse(command, args));
}

/** The line that a person sees last: where to read on. */
const hintAt = (name = ''): string =>
  Object.hasOwn(commands, name) ? `orthokit help ${name}: its options` : 'orthokit help: the commands';

// A reader that has seen enough, such as `head`, closes the pipe: that is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

const words = process.argv.slice(2);
try {
  process.exitCode = await main(words);
} catch (error) {
  const { name, code, message, exitCode = 1 } = error as Error & { code?: string; exitCode?: number };
  const isUsage = error instanceof UsageError;
  if (words.includes('--json')) {
    console.log(JSON.stringify({ error: { code: code ?? name, message } }));
  } else {
    const shown = isUsage || code === undefined ? '' : ` (${code})`;
    console.error(`orthokit: ${message}${shown}${isUsage ? `\n${hintAt(words[0])}` : ''}`);
  }
  process.exitCode = exitCode;
}
