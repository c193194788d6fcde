const sections = ['/bounces', '/messages', '/lanes', '/replays', '/rules'];

/** Paths that the page itself shows, as routes. */
export const pagePaths: readonly string[] = ['/', ...sections.flatMap((section) => [section, `${section}/:item`])];

export const isPagePath = (path: string): boolean =>
  path === '/' || sections.some((section) => path === section || path.startsWith(`${section}/`));

/** Files that are the same for everybody: the program of the page. */
export const isPublicFile = (path: string): boolean => path.startsWith('/ui/');
