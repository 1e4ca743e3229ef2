// Loaded by Node before a program. Node queues in memory what a pipe does not take at once:
// it would lose that at `process.exit()`, and never print it from an endless loop. With
// pipes that block, what a program prints is printed, whatever it does next.
'use strict';
for (const stream of [process.stdout, process.stderr]) {
  // Only a pipe has it: a worker thread prints by way of its main thread, and a child may
  // have been given a file.
  stream._handle?.setBlocking?.(true);
}
