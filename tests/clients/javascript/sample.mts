// What the client's types let pass, and what they refuse: tsc -p tsconfig.json
import { Loregate, LoregateError } from 'loregate-client';
import type { Content, GenerateStoryInput, GenerationEvent } from 'loregate-client';

const gate = new Loregate({
  url: 'http://127.0.0.1:8100',
  token: async (refused) => (refused === undefined ? 'first' : 'renewed'),
  WebSocket,
  onState: (state, { error, wait }) => console.log(state === 'waiting', error?.code, wait),
});

const input: GenerateStoryInput = { elementType: 'QUEST', context: { partyLevel: 5 } };
const { story, rateLimit } = await gate.write('story', input, { idempotencyKey: 'one' });
const words: string = story.text + story.summary + rateLimit.scope;
const { content } = await gate.write('character', {
  type: 'BACKSTORY',
  characterContext: { characterClass: 'warlock', extra: [{ key: 'patron', value: 'the sea' }] },
  theme: { tone: 'ominous' },
});
const { analysis } = await gate.write('theme', { content: words });
const theme: string[] | undefined = analysis.compatibility?.conflicts;

function piece(told: GenerationEvent): string {
  switch (told.type) {
    case 'delta':
      return told.text;
    case 'reset':
      return told.reason;
    case 'failed':
      return told.retryable ? told.code : told.message;
    case 'completed':
      return told.content ? title(told.content) : told.contentId;
    default:
      return told.cursor;
  }
}

function title(content: Content): string {
  switch (content.__typename) {
    case 'Npc':
    case 'Location':
    case 'Item':
      return content.name;
    case 'Story':
      return content.summary;
    default:
      return content.contentId;
  }
}

const { id } = await gate.start('npc', { role: 'MENTOR', context: {} });
for await (const told of gate.generation(id, { signal: AbortSignal.timeout(60_000) }))
  console.log(piece(told));

try {
  for await (const event of gate.events({ types: ['STORY_GENERATED'], onExpired: 'continue' })) {
    if (event.type === 'STORY_GENERATED') console.log(event.elementType, event.metadata.modelUsed);
    else if (event.type === 'VALIDATION_COMPLETED') console.log(event.overallScore.toFixed(2));
    if (event.content) console.log(title(event.content));
  }
} catch (error) {
  if (error instanceof LoregateError) console.log(error.code, error.resumeAfter?.length);
}

const { data, headers } = await gate.request<{ eventCursor: string }>('{ eventCursor }');
console.log(data.eventCursor.length, headers.get('x-ratelimit-remaining'), content.text, theme);
gate.connection.on('state', () => gate.disconnect())();
gate.connect();

// @ts-expect-error: there is no such element
await gate.write('story', { elementType: 'SONG', context: {} });
// @ts-expect-error: what it is about is missing
await gate.write('story', { elementType: 'QUEST' });
// @ts-expect-error: there is no such operation
await gate.start('poem', {});
// @ts-expect-error: a place has no text
console.log((await gate.write('location', {} as never)).location.text);
// @ts-expect-error: there is no such type
gate.events({ types: ['content.generated'] });
// @ts-expect-error: somebody must say who asks
new Loregate({ url: 'http://127.0.0.1:8100' });
