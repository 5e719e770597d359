// openapi-generator's typescript-fetch.
import {
  BatchApi,
  Configuration,
  ContentApi,
  ErrorBodyFromJSON,
  ResponseError,
  TextApi,
  type CharacterRequest,
  type ErrorBody,
} from './openapi-generator/typescript-fetch';

const [url, token] = process.argv.slice(2);
const configuration = new Configuration({ basePath: url, accessToken: token });
const text = new TextApi(configuration);
const content = new ContentApi(configuration);
const body: CharacterRequest = {
  type: 'backstory',
  characterContext: { characterClass: 'warlock', characterLevel: 5, sworn_enemy: 'Vexis' },
  theme: { tone: 'ominous', weather: 'rain' },
  model: { maxTokens: 500 },
};

const refused = async (asked: Promise<unknown>): Promise<[number, ErrorBody]> => {
  try {
    await asked;
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error;
    return [error.response.status, ErrorBodyFromJSON(await error.response.json())];
  }
  throw new Error('it was taken');
};

const made = await text.generateCharacterContent({ characterRequest: body });
const id: string = made.contentId;

const stored = await content.readContent({ contentId: id });
if (!('content' in stored)) throw new Error('another kind of content');

const [invalidStatus, invalid] = await refused(text.generateCharacterContent({
  characterRequest: { type: 'combat', characterContext: { characterLevel: 99 } },
}));
const [missingStatus, missing] = await refused(
  content.readContent({ contentId: '0198c0de-7a1e-7000-8000-5a17e4e00001' }),
);

const batch = await new BatchApi(configuration).runBatch({
  batch: {
    requests: new Set([
      { id: 'a', path: '/api/v2/text/character', body: { type: 'combat', character_context: {} } },
      { id: 'b', path: '/api/v2/text/nothing', body: {} },
    ]),
  },
});

console.log(JSON.stringify({
  same: stored.content === made.content && stored.contentId === id,
  model: made.metadata.modelUsed,
  invalid: [invalidStatus, invalid.code, invalid.details.field],
  missing: [missingStatus, missing.code],
  batch: batch.results.map((result) => [result.id, result.status]),
}));
