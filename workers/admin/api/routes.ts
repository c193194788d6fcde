import type { FastifyInstance } from 'fastify';
import type { Endpoint } from '../../../shared/core/api/endpoint.ts';
import { endpoints, type EndpointName, type Endpoints } from '../../../shared/core/api/endpoints.ts';
import type { World } from '../world.ts';
import { deadLetters, dropDeadLetters, retryDeadLetters } from './dead-letters.ts';
import { disposition, dispositionCounts, dispositions } from './dispositions.ts';
import { events } from './events.ts';
import { inject, injectRaw } from './inject.ts';
import { lane, lanes, sessions } from './lanes.ts';
import { bounceMessage, findMessages, message } from './messages.ts';
import { mount, type Handler } from './mount.ts';
import { endOrder, giveOrder, order, orders, previewOrder } from './orders.ts';
import { login, logout, me } from './session.ts';
import { cancelReplay, createReplay, previewReplay, replay, replayRecords, replays, resumeReplay } from './replays.ts';
import { reportPreview } from './report-preview.ts';
import { backtestRule, policy, rules } from './rules.ts';
import { queues, status, subscribers } from './status.ts';
import { audit, config, workers } from './system.ts';
import { conversation, smtpTrace } from './trace.ts';

/** What each operation does. */
const handlers: { [Name in EndpointName]: Handler<Endpoints[Name]> } = {
  me,
  login,
  logout,
  status,
  queues,
  subscribers,
  lanes,
  lane,
  sessions,
  message,
  findMessages,
  bounceMessage,
  inject,
  injectRaw,
  giveOrder,
  previewOrder,
  orders,
  order,
  endOrder,
  dispositions,
  disposition,
  dispositionCounts,
  events,
  previewReplay,
  createReplay,
  replays,
  replay,
  replayRecords,
  resumeReplay,
  cancelReplay,
  deadLetters,
  retryDeadLetters,
  dropDeadLetters,
  rules,
  backtestRule,
  policy,
  workers,
  config,
  audit,
  reportPreview,
  conversation,
  smtpTrace,
};

/** The JSON API. */
export async function registerApi(app: FastifyInstance, world: World): Promise<void> {
  for (const [name, endpoint] of Object.entries<Endpoint>(endpoints)) {
    const handler = handlers[name as EndpointName] as Handler<Endpoint>;
    if (!endpoint.bodyType) {
      mount(app, world, name, endpoint, handler);
      continue;
    }
    // Its kind of body is read by its own route alone.
    const type = endpoint.bodyType;
    await app.register((scope, _options, done) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, parsed) => parsed(null, body));
      mount(scope, world, name, endpoint, handler);
      done();
    });
  }
}
