import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../problem.ts';
import type { Ui } from '../ui-files.ts';
import { pagePaths } from '../ui-paths.ts';

/** The page, which is one program for every path, and its files. None of it needs a login or Redis: it says nothing. */
export function registerUi(app: FastifyInstance, ui: Ui): void {
  app.get('/ui/:digest/*', ({ params, headers, url }, reply) => {
    const file = ui.files.get((params as { '*': string })['*']);
    // Of another version: the page is told to load itself again.
    if (!file || url !== ui.pathOf((params as { '*': string })['*'])) throw new Problem(404, 'there is no such file');
    reply.type(file.type).header('cache-control', 'public, max-age=31536000, immutable').header('vary', 'accept-encoding');
    const isZipped = /\bgzip\b/.test(String(headers['accept-encoding'] ?? ''));
    return isZipped ? reply.header('content-encoding', 'gzip').send(file.zipped) : reply.send(file.content);
  });
  for (const path of pagePaths) app.get(path, (_request, reply) => sendShell(reply, ui));
}

export const sendShell = (reply: FastifyReply, ui: Ui): FastifyReply => reply.type('text/html; charset=utf-8').send(ui.shell);

/** A person who goes to a page of its own, such as the queues: asked to log in by our page, at that place. */
export const isNavigation = ({ method, headers }: FastifyRequest): boolean => method === 'GET' && headers['sec-fetch-mode'] === 'navigate';
