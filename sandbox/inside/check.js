// Checks the syntax of a program for Node, and tells a script from a module, which have the
// same file name here. Node's own parser decides: what is no script and is a module gets a
// package.json that says so. Words alone cannot tell: they stand in strings and comments too.
'use strict';
const { spawnSync } = require('child_process');
const fs = require('fs');
const vm = require('vm');

const PACKAGE = 'package.json';
// What Node wraps a script in.
const GIVEN = ['exports', 'require', 'module', '__filename', '__dirname'];

function parses(parse) {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}

// Returns what Node says of a file that it reads as of a type, and the line where it gave up.
function complaint(file, type) {
  fs.writeFileSync(PACKAGE, JSON.stringify({ type }));
  const said = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' }).stderr;
  fs.unlinkSync(PACKAGE);
  return { said, line: Number(/^[^\n]*:(\d+)\n/.exec(said)?.[1] ?? 0) };
}

const [, , file] = process.argv;
const source = fs.readFileSync(file, 'utf8').replace(/^\ufeff/, '');
if (!parses(() => vm.compileFunction(source, GIVEN, { filename: file }))) {
  if (parses(() => new vm.SourceTextModule(source))) {
    fs.writeFileSync(PACKAGE, JSON.stringify({ type: 'module' }));
  } else {
    // The reading that gets further is what its author meant.
    const [script, module] = ['commonjs', 'module'].map((type) => complaint(file, type));
    process.stderr.write(module.line > script.line ? module.said : script.said);
    process.exitCode = 1;
  }
}
