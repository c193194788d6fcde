import type { Endpoint } from '../../../shared/core/api/endpoint.ts';
import type { openApi } from '../../../shared/core/api/openapi.ts';
import { html, type Html } from '../html.ts';
import type { Ui } from '../ui-files.ts';
import { layout } from './layout.ts';

interface Operation {
  parameters: { name: string; in: string; required: boolean; description?: string; schema: unknown }[];
  requestBody?: { content: Record<string, { schema: unknown }> };
}

/** The API for people: every operation with its role, parameters and body. */
export function docsPage({
  hostname,
  ui,
  endpoints,
  document,
}: {
  hostname: string;
  ui: Ui;
  endpoints: readonly (readonly [name: string, endpoint: Endpoint])[];
  document: ReturnType<typeof openApi>;
}): Html {
  const paths = document['paths'] as Record<string, Record<string, Operation>>;
  const body = html`<h1>API</h1>
    <p class="note">
      For programs: <a href="/docs/openapi.json">openapi.json</a> (OpenAPI 3.1). Errors are problem documents (RFC 9457) that name the
      field.
    </p>
    ${endpoints.map(([name, endpoint]) => {
      const operation = paths[endpoint.path]?.[endpoint.method.toLowerCase()];
      return html`<section id="${name}">
        <h2>${endpoint.method} ${endpoint.path}</h2>
        <p>${endpoint.summary}. Role: ${endpoint.role}.</p>
        ${endpoint.description && html`<p class="note">${endpoint.description}</p>`}
        ${operation && operation.parameters.length > 0 && parameterTable(operation.parameters)}
        ${Object.entries(operation?.requestBody?.content ?? {}).map(
          ([type, { schema }]) =>
            html`<details>
              <summary>Body: ${type}</summary>
              <pre>${JSON.stringify(schema, null, 2)}</pre>
            </details>`,
        )}
      </section>`;
    })}`;
  return layout({ title: 'API', hostname, ui, body });
}

function parameterTable(parameters: Operation['parameters']): Html {
  return html`<table class="stack">
    <thead>
      <tr>
        <th>Parameter</th>
        <th>In</th>
        <th>Meaning</th>
      </tr>
    </thead>
    <tbody>
      ${parameters.map(
        ({ name, in: place, required, description }) =>
          html`<tr>
            <th scope="row">${name}</th>
            <td data-label="In">${place}${required && ', required'}</td>
            <td data-label="Meaning">${description}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}
