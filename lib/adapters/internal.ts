// Adapters in files, for other families.
export { configName, partsOfName, tensorName, weightsName } from './peft/layout.ts';
export { type Config, readConfig } from './peft/read-config.ts';
