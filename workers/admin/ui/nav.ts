/** The sections; those that are no part of this program are loaded as pages of their own. */
export const nav: readonly { path: string; word: string }[] = [
  { path: '/', word: 'Overview' },
  { path: '/bounces', word: 'Bounces' },
  { path: '/messages', word: 'Messages' },
  { path: '/lanes', word: 'Lanes' },
  { path: '/replays', word: 'Replays' },
  { path: '/rules', word: 'Rules' },
  { path: '/queues', word: 'Queues' },
  { path: '/docs', word: 'API' },
];
