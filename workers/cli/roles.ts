import type { Context } from '../../shared/io/context.ts';

/** A role at work. */
export interface Running {
  /** Finishes the work in hand and gives back the rest. */
  close(): Promise<void>;
  /** Where it can be reached, for people: `smtp://127.0.0.1:2525`. */
  describe?: string;
  /** What it has read besides the settings, for `/api/workers`. */
  loaded?(): Record<string, unknown>;
  /** Reads what it tells in metrics besides those that it keeps. */
  collect?(): Promise<void>;
}

export interface RoleModule {
  run(context: Context): Promise<Running>;
}

/** In the order they are stopped: first nothing new comes in, then what is queued goes on without us. */
export const roles = ['ingress', 'delivery', 'bounce', 'admin'] as const;
export type Role = (typeof roles)[number];

/** The command line is the one place that knows every role; each is loaded only where it runs. */
export const loadRole: Record<Role, () => Promise<RoleModule>> = {
  ingress: () => import('../ingress/main.ts'),
  delivery: () => import('../delivery/main.ts'),
  bounce: () => import('../bounce/main.ts'),
  admin: () => import('../admin/main.ts'),
};

export const roleSummaries: Record<Role, string> = {
  ingress: 'accept mail over SMTP and queue it',
  delivery: 'deliver queued mail; start as many as you like',
  bounce: 'make reports of mail that failed, call webhooks',
  admin: 'serve the dashboard, the API and the metrics',
};
