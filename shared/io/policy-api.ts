// What a policy file imports as 'rebound'.
export { definePolicy } from '../core/policy/define.ts';
export type { Policy, PolicyDefinition } from '../core/policy/define.ts';
export type { ConnMeta, RewriteResponseResult, SmtpServerRewriteResponse } from '../core/policy/smtp-server-rewrite-response.ts';
