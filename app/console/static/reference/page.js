// Swagger UI on the gateway's OpenAPI document; in development with a token and with ids that exist.

import { fetchForAWhile } from './listening.js';

const DOCUMENT = '/api/v2/openapi.json';
const KEPT = 'loregate:reference:id'; // of what was written for the examples of this window

const dark = matchMedia('(prefers-color-scheme: dark)');
const paint = () => document.documentElement.classList.toggle('dark-mode', dark.matches);

async function session() {
  const response = await fetch('/console/session');
  return response.ok ? response.json() : { token: null };
}

// The id of a generation, and so of its content: begun once for this window by the first example.
// Its text is not waited for; the gateway writes on when nobody reads.
async function written(api, token) {
  const kept = sessionStorage.getItem(KEPT);
  if (kept) return kept;
  const [path, item] = Object.entries(api.paths).find(([name]) => name.endsWith('/stream'));
  const response = await fetch(path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(item.post.requestBody.content['application/json'].example),
  });
  const id = response.headers.get('x-generation-id');
  await response.body.cancel();
  if (id) sessionStorage.setItem(KEPT, id);
  return id;
}

async function begin() {
  paint();
  dark.addEventListener('change', paint);
  const [api, { token }] = await Promise.all([fetch(DOCUMENT).then((r) => r.json()), session()]);
  const id = token && await written(api, token);
  for (const name of ['ContentId', 'GenerationId']) {
    if (id) api.components.parameters[name].example = id;
  }
  const ui = SwaggerUIBundle({
    spec: api,
    dom_id: '#page',
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    docExpansion: 'list',
    filter: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    requestInterceptor: (request) => Object.assign(request, { userFetch: fetchForAWhile }),
    onComplete: () => { if (token) ui.preauthorizeApiKey('bearer', token); },
  });
}

begin().catch((error) => {
  document.querySelector('.wait').textContent = `The reference could not begin: ${error.message}`;
});
