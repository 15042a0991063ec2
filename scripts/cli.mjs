#!/usr/bin/env node
// The command `orthokit`. Exit codes: 0 done, 1 failed, 2 wrong usage.
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
  const rest = ['  orthokit <command> --help', '  orthokit --help | --version', ''];
  return [`orthokit ${version}`, '', ...lines, ...rest].join('\n');
}

function helpOf(name, command) {
  const words = Object.entries(command.options ?? {}).map(([option, { short, value, help: text, choices }]) => {
    const spelled = `${short ? `-${short}, ` : ''}--${option}${value ? ` ${value}` : ''}`;
    return `  ${spelled.padEnd(28)}${text}${choices ? ` (${choices.join(', ')})` : ''}`;
  });
  return [usageOf(name, command), `    ${command.summary}`, ...(words.length > 0 ? ['', ...words] : [])].join('\n');
}

function print(text) {
  console.log(text);
  return 0;
}

async function main([name, ...args]) {
  if (name === '--version' || name === '-v') return print(version);
  if (name === '--help' || name === '-h') return print(help());
  if (name === undefined) throw new UsageError('no command');
  if (!Object.hasOwn(commands, name)) throw new UsageError(`no command ${name}`);
  const command = commands[name];
  if (args.includes('--help') || args.includes('-h')) return print(helpOf(name, command));
  return command.options ? command.run(...parse(command, args)) : command.run(args);
}

// A reader that has seen enough, such as `head`, closes the pipe: that is no failure of ours.
process.stdout.on('error', (error) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

const words = process.argv.slice(2);
try {
  process.exitCode = await main(words);
} catch (error) {
  const isUsage = error instanceof UsageError || error.code?.startsWith('ERR_PARSE_ARGS_');
  if (words.includes('--json')) {
    const code = isUsage ? 'ERR_USAGE' : (error.code ?? error.name);
    console.log(JSON.stringify({ error: { code, message: error.message } }));
  } else {
    const command = commands[words[0]];
    const usage = isUsage ? `\n\n${command ? helpOf(words[0], command) : help()}` : '';
    const code = isUsage || error.code === undefined ? '' : ` (${error.code})`;
    console.error(`orthokit: ${error.message}${code}${usage}`);
  }
  process.exitCode = isUsage ? 2 : 1;
}
