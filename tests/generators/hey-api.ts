// @hey-api/openapi-ts's functions over its own fetch client.
import { client } from './hey-api/client.gen';
import { generateCharacterContent, readContent, runBatch } from './hey-api/sdk.gen';
import type { CharacterRequest } from './hey-api/types.gen';

const [url, token] = process.argv.slice(2);
client.setConfig({ baseUrl: url, auth: () => token });
const body: CharacterRequest = {
  type: 'backstory',
  character_context: { character_class: 'warlock', character_level: 5, sworn_enemy: 'Vexis' },
  theme: { tone: 'ominous', weather: 'rain' },
  model: { max_tokens: 500 },
};

const made = await generateCharacterContent({ body, throwOnError: true });
const id: string = made.data.content_id;

const { data: stored } = await readContent({ path: { content_id: id }, throwOnError: true });
if (!('content' in stored)) throw new Error('another kind of content');

const invalid = await generateCharacterContent({
  body: { type: 'combat', character_context: { character_level: 99 } },
});
if (!invalid.error || !('details' in invalid.error)) throw new Error('it was taken');

const missing = await readContent({ path: { content_id: '0198c0de-7a1e-7000-8000-5a17e4e00001' } });
if (!missing.error || !('details' in missing.error)) throw new Error('it was there');

const batch = await runBatch({
  body: {
    requests: [
      { id: 'a', path: '/api/v2/text/character', body: { ...body } },
      { id: 'b', path: '/api/v2/text/nothing', body: {} },
    ],
  },
  throwOnError: true,
});

console.log(JSON.stringify({
  same: stored.content === made.data.content && stored.content_id === id,
  model: made.data.metadata.model_used,
  invalid: [invalid.response?.status, invalid.error.code, invalid.error.details.field],
  missing: [missing.response?.status, missing.error.code],
  batch: batch.data.results.map((result) => [result.id, result.status]),
}));
