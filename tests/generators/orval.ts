// orval's functions over fetch, with its strict types.
import * as loregate from './orval/loregate';
import type { CharacterRequest } from './orval/model';

const [url, token] = process.argv.slice(2);
const real = globalThis.fetch;
// The generated functions name their server; this one is known when the script runs.
globalThis.fetch = (input, init) => real(String(input).replace('http://gateway.invalid', url), init);
const options = { headers: { Authorization: `Bearer ${token}` } };
const body: CharacterRequest = {
  type: 'backstory',
  character_context: { character_class: 'warlock', character_level: 5, sworn_enemy: 'Vexis' },
  theme: { tone: 'ominous', weather: 'rain' },
  model: { max_tokens: 500 },
};

const made = await loregate.generateCharacterContent(body, options);
if (made.status !== 200) throw new Error(`status ${made.status}`);
const id: string = made.data.content_id;

const read = await loregate.readContent(id, options);
if (read.status !== 200) throw new Error(`status ${read.status}`);
const stored = read.data;
if (!('content' in stored)) throw new Error('another kind of content');

const invalid = await loregate.generateCharacterContent(
  { type: 'combat', character_context: { character_level: 99 } },
  options,
);
if (invalid.status !== 400 || !('details' in invalid.data)) throw new Error('it was taken');

const missing = await loregate.readContent('0198c0de-7a1e-7000-8000-5a17e4e00001', options);
if (missing.status !== 404 || !('details' in missing.data)) throw new Error('it was there');

const batch = await loregate.runBatch(
  {
    requests: [
      { id: 'a', path: '/api/v2/text/character', body: { ...body } },
      { id: 'b', path: '/api/v2/text/nothing', body: {} },
    ],
  },
  options,
);
if (batch.status !== 200) throw new Error(`status ${batch.status}`);

console.log(JSON.stringify({
  same: stored.content === made.data.content && stored.content_id === id,
  model: made.data.metadata.model_used,
  invalid: [invalid.status, invalid.data.code, invalid.data.details.field],
  missing: [missing.status, missing.data.code],
  batch: batch.data.results.map((result) => [result.id, result.status]),
}));
