import type { Command } from './command.ts';
import { roles, type Role } from './roles.ts';

/** One file of `commands/` per command, loaded when it is called. */
const commands: Record<string, () => Promise<Command>> = {
  start: () => import('./commands/start.ts'),
  demo: () => import('./commands/demo.ts'),
  sink: () => import('./commands/sink.ts'),
  ...Object.fromEntries(roles.map((role) => [role, () => loadRoleCommand(role)])),
  status: () => import('./commands/status.ts'),
  top: () => import('./commands/top.ts'),
  send: () => import('./commands/send.ts'),
  lanes: () => import('./commands/lanes.ts'),
  queues: () => import('./commands/queues.ts'),
  workers: () => import('./commands/workers.ts'),
  orders: () => import('./commands/orders.ts'),
  audit: () => import('./commands/audit.ts'),
  suspend: () => import('./commands/suspend.ts'),
  resume: () => import('./commands/resume.ts'),
  hold: () => import('./commands/hold.ts'),
  release: () => import('./commands/release.ts'),
  retry: () => import('./commands/retry.ts'),
  bounce: () => import('./commands/bounce.ts'),
  drop: () => import('./commands/drop.ts'),
  rebind: () => import('./commands/rebind.ts'),
  limits: () => import('./commands/limits.ts'),
  trace: () => import('./commands/trace.ts'),
  log: () => import('./commands/log.ts'),
  replay: () => import('./commands/replay.ts'),
  report: () => import('./commands/report.ts'),
  rules: () => import('./commands/rules.ts'),
  config: () => import('./commands/config.ts'),
  policy: () => import('./commands/policy.ts'),
  completion: () => import('./commands/completion.ts'),
  'hash-password': () => import('./commands/hash-password.ts'),
};

export const commandNames = (): string[] => Object.keys(commands);

export const isCommand = (name: string): boolean => Object.hasOwn(commands, name);

/** The name must be one of a command. */
export function loadCommand(name: string): Promise<Command> {
  const load = isCommand(name) ? commands[name] : undefined;
  if (!load) throw new Error(`there is no command ${name}`);
  return load();
}

async function loadRoleCommand(role: Role): Promise<Command> {
  const { roleCommand } = await import('./commands/role.ts');
  return roleCommand(role);
}
