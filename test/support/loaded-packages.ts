import { writeSync } from 'node:fs';
import { registerHooks } from 'node:module';

/* Says which packages a program has loaded. Loaded before the program, with `node --import`. */

/** Begins the line with the names, which the process prints when it ends. */
export const LOADED = 'Loaded packages: ';

const packages = new Set<string>();

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    const [, name] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(resolved.url) ?? [];
    if (name) packages.add(name);
    return resolved;
  },
});

process.on('exit', () => writeSync(process.stderr.fd, `${LOADED}${[...packages].join(' ')}\n`));
