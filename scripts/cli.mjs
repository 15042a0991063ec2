#!/usr/bin/env node
// The command `orthokit`. Exit codes: 0 done, 1 failed, 2 wrong usage, 128 and the signal's number when interrupted.
import { bench } from './commands/bench.mjs';
import { build } from './commands/build.mjs';
import { info } from './commands/info.mjs';
import { transplant } from './commands/transplant.mjs';
import { parse, UsageError, usageOf } from './commands/usage.mjs';
import { version } from './commands/version.mjs';

const commands = { info, bench, transplant, build };

function help() {
  const lines = Object.entries(commands).flatMap(([name, command]) => [
    `  ${usageOf(name, command)}`,
    `      ${command.summary}`,
  ]);
  const rest = ['  orthokit help <command>', '  orthokit --help | --version', ''];
  return [`orthokit ${version}`, '', ...lines, ...rest].join('\n');
}

function helpOf(name) {
  const command = find(name);
  const words = Object.entries(command.options).map(([option, { short, value, help: text, choices }]) => {
    const spelled = `${short ? `-${short}, ` : ''}--${option}${value ? ` ${value}` : ''}`;
    return `  ${spelled.padEnd(28)}${text}${choices ? ` (${choices.join(', ')})` : ''}`;
  });
  return [usageOf(name, command), `    ${command.summary}`, ...(words.length > 0 ? ['', ...words] : [])].join('\n');
}

function find(name) {
  if (!Object.hasOwn(commands, name)) throw new UsageError(`no command ${name}`);
  return commands[name];
}

function print(text) {
  console.log(text);
  return 0;
}

async function main([name, ...args]) {
  if (name === '--version' || name === '-v') return print(version);
  if (name === '--help' || name === '-h') return print(help());
  if (name === undefined) throw new UsageError('no command');
  if (name === 'help') return print(args.length === 0 ? help() : helpOf(args[0]));
  const command = find(name);
  if (args.includes('--help') || args.includes('-h')) return print(helpOf(name));
  return command.run(...parse(command, args));
}

/** The line that a person sees last: where to read on. */
const hintAt = (name) =>
  Object.hasOwn(commands, name) ? `orthokit help ${name}: its options` : 'orthokit help: the commands';

// A reader that has seen enough, such as `head`, closes the pipe: that is no failure of ours.
process.stdout.on('error', (error) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

const words = process.argv.slice(2);
try {
  process.exitCode = await main(words);
} catch (error) {
  const isUsage = error instanceof UsageError;
  if (words.includes('--json')) {
    console.log(JSON.stringify({ error: { code: error.code ?? error.name, message: error.message } }));
  } else {
    const code = isUsage || error.code === undefined ? '' : ` (${error.code})`;
    console.error(`orthokit: ${error.message}${code}${isUsage ? `\n${hintAt(words[0])}` : ''}`);
  }
  process.exitCode = error.exitCode ?? 1;
}
