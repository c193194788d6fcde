import { deadLetterEndpoints } from './dead-letters.ts';
import { dispositionEndpoints } from './dispositions.ts';
import { laneEndpoints } from './lanes.ts';
import { messageEndpoints } from './messages.ts';
import { orderEndpoints } from './orders.ts';
import { sessionEndpoints } from './session.ts';
import { replayEndpoints } from './replays.ts';
import { ruleEndpoints } from './rules.ts';
import { statusEndpoints } from './status.ts';
import { systemEndpoints } from './system.ts';
import { traceEndpoints } from './trace.ts';

/** Every operation of the API; the names are the `operationId`s of the OpenAPI document and the actions of the audit log. */
export const endpoints = {
  ...sessionEndpoints,
  ...statusEndpoints,
  ...laneEndpoints,
  ...messageEndpoints,
  ...orderEndpoints,
  ...dispositionEndpoints,
  ...replayEndpoints,
  ...deadLetterEndpoints,
  ...ruleEndpoints,
  ...systemEndpoints,
  ...traceEndpoints,
};

export type Endpoints = typeof endpoints;
export type EndpointName = keyof Endpoints;
