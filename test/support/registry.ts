import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface Registry {
  url: string;
  close(): Promise<void>;
}

/** A registry for npm that has the packages of this checkout, as they lie in node_modules: an installation without network. */
export async function startRegistry(): Promise<Registry> {
  const packages = installedPackages();
  const server = createServer((request, response) => {
    const [name = '', file] = decodeURIComponent(request.url ?? '')
      .slice(1)
      .split('/-/');
    const versions = packages.get(name);
    if (versions === undefined) response.writeHead(404).end('{}');
    else if (file === undefined) response.end(JSON.stringify(describe(name, versions)));
    else sendPackage(versions.get(file.replace(/\.tgz$/, '')), response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const describe = (name: string, versions: Map<string, string>): unknown => ({
    name,
    'dist-tags': { latest: [...versions.keys()].at(-1) },
    versions: Object.fromEntries(
      [...versions].map(([version, folder]) => {
        const manifest = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as object;
        return [version, { ...manifest, dist: { tarball: `${url}${name}/-/${version}.tgz` } }];
      }),
    ),
  });
  return {
    url,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The folders by version, by name; packages for other platforms are not there. */
function installedPackages(): Map<string, Map<string, string>> {
  const { packages } = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8')) as { packages: Record<string, { version: string }> };
  const found = new Map<string, Map<string, string>>();
  for (const [path, { version }] of Object.entries(packages)) {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (path === '' || !existsSync(root + path)) continue;
    found.set(name, (found.get(name) ?? new Map<string, string>()).set(version, root + path));
  }
  return found;
}

function sendPackage(folder: string | undefined, response: ServerResponse): void {
  if (folder === undefined) return void response.writeHead(404).end();
  const args = ['-cf', '-', '--exclude', `${basename(folder)}/node_modules`, '-C', dirname(folder), basename(folder)];
  const tar = spawn('tar', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  tar.once('error', (error) => response.destroy(error));
  tar.stdout.pipe(response);
}
