// The part of Node.js that the blocks of the pages use, for compilers that know nothing of it.
declare const console: { log(...values: unknown[]): void };
declare module 'node:fs/promises' {
  export function readdir(folder: string): Promise<string[]>;
  export function mkdtemp(prefix: string): Promise<string>;
  export function mkdir(path: string): Promise<void>;
  export function writeFile(path: string, text: string): Promise<void>;
  export function rm(path: string, options: { recursive: boolean }): Promise<void>;
}
declare module 'node:os' {
  export function tmpdir(): string;
}
declare module 'node:path' {
  const path: { join(...parts: string[]): string };
  export default path;
}
