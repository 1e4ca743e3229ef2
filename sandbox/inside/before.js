// Loaded by Node before a program.
'use strict';
const { existsSync } = require('fs');
const { createRequire } = require('module');

// Node queues in memory what a pipe does not take at once: it would lose that at
// `process.exit()`, and never print it from an endless loop. With pipes that block, what a
// program prints is printed, whatever it does next.
for (const stream of [process.stdout, process.stderr]) {
  // Only a pipe has it: a worker thread prints by way of its main thread, and a child may
  // have been given a file.
  stream._handle?.setBlocking?.(true);
}

// Those that write `import` or `await` outside of functions often write `require` as well,
// which a module is not given. `check.js` has told what is a module.
if (existsSync('/build/package.json')) {
  const __filename = '/build/main.js';
  const require = createRequire(__filename);
  const module = { exports: {} };
  require.main = module;
  const given = { __dirname: '/build', __filename, exports: module.exports, module, require };
  for (const [name, value] of Object.entries(given)) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  }
}
