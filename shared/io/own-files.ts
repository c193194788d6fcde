import { extname } from 'node:path';

/**
 * The folder of this package: that of its package.json. In the checkout our modules lie in it as they are, in a built
 * package they lie in its `dist`, so that no module can tell by its own place. (A package finds itself by its name.)
 */
export const packageRoot = new URL('./', import.meta.resolve('rebound/package.json'));

/**
 * A module of ours that is started by its place, as a thread or a process: `name` without extension, from the module whose
 * `import.meta.url` is `from`. It is TypeScript in the checkout and JavaScript in a built package, as that module is.
 */
export const moduleBeside = (name: string, from: string): URL => new URL(`${name}${extname(new URL(from).pathname)}`, from);
