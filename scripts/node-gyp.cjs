#!/usr/bin/env node
// Stands in for node-gyp under prebuildify, which calls `<tool> rebuild --target=… --arch=…`: builds through cmake-js,
// which needs neither Node's headers nor Python. Node-API makes the target version irrelevant.
'use strict';
const configuration = process.argv.includes('--debug') ? 'Debug' : 'Release';
process.argv = [...process.argv.slice(0, 2), configuration];
require('./gyp-build.cjs');
