// openapi-typescript's types with openapi-fetch.
import createClient from 'openapi-fetch';
import type { components, paths } from './openapi-typescript/schema';

const [url, token] = process.argv.slice(2);
const client = createClient<paths, 'application/json'>({
  baseUrl: url,
  headers: { Authorization: `Bearer ${token}`, Accept: 'application/json' },
});
const body: components['schemas']['CharacterRequest'] = {
  type: 'backstory',
  character_context: { character_class: 'warlock', character_level: 5, sworn_enemy: 'Vexis' },
  theme: { tone: 'ominous', weather: 'rain' },
  model: { max_tokens: 500 },
};

const made = await client.POST('/api/v2/text/character', {
  body,
  params: { header: { 'Idempotency-Key': 'a-key' } },
});
if (made.error) throw new Error(made.error.message);
const id: string = made.data.content_id;

const read = await client.GET('/api/v2/content/{content_id}', { params: { path: { content_id: id } } });
if (read.error) throw new Error(read.error.message);
const stored = read.data;
if (!('content' in stored)) throw new Error('another kind of content');

const level = 99;
const invalid = await client.POST('/api/v2/text/character', {
  body: { type: 'combat', character_context: { character_level: level } },
});
if (!invalid.error) throw new Error('it was taken');

const missing = await client.GET('/api/v2/content/{content_id}', {
  params: { path: { content_id: '0198c0de-7a1e-7000-8000-5a17e4e00001' } },
});
if (!missing.error) throw new Error('it was there');

const batch = await client.POST('/api/v2/batch', {
  body: {
    requests: [
      { id: 'a', path: '/api/v2/text/character', body: { ...body } },
      { id: 'b', path: '/api/v2/text/nothing', body: {} },
    ],
  },
});
if (batch.error) throw new Error(batch.error.message);

console.log(JSON.stringify({
  same: stored.content === made.data.content && stored.content_id === id,
  model: made.data.metadata.model_used,
  invalid: [invalid.response.status, invalid.error.code, invalid.error.details.field],
  missing: [missing.response.status, missing.error.code],
  batch: batch.data.results.map((result) => [result.id, result.status]),
}));
