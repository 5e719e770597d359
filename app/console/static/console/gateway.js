// The gateway, by its JavaScript client: what each question asks for, and what became of it.

import { Loregate } from '/console/static/client/loregate.js';

const LIMIT = 'scope limit remaining resetAt windowSeconds';
const ATTEMPT = 'model outcome ms';
const METADATA = `metadata { modelUsed degraded cached finishReason cost createdAt
  tokenUsage { promptTokens completionTokens totalTokens cachedTokens reasoningTokens source }
  attempts { ${ATTEMPT} } upstreamModel ignoredParameters seed promptVersion requestId }`;
const HEADER = `__typename id contentId contentType createdAt ${METADATA}`;
const OPENING = `... on GeneratedContent { text } ... on Story { summary } ... on Npc { name }
  ... on Location { name } ... on Item { name } ... on ThemeAnalysis { summary }
  ... on ContentValidation { summary }`;

const START = `mutation Start($input: StartGenerationInput!) { startGeneration(input: $input) {
  requestId rateLimit { ${LIMIT} } generation { id } } }`;
const CANCEL = `mutation Cancel($id: ID!) { cancelGeneration(id: $id) {
  rateLimit { ${LIMIT} } generation { id state } } }`;
const DELETE = `mutation Delete($id: ID!) { deleteContent(id: $id) {
  rateLimit { ${LIMIT} } contentId } }`;
const STANDING = `query Standing { rateLimits { ${LIMIT} }
  models { id name provider upstream state breaker configured contextSize maxTokens
    inputPrice cachedPrice outputPrice retiresAt gone fallback }
  health { components { openai messageHub cache db }
    metrics { requestRate errorRate p95Latency } } }`;
const VIEWER = `query Viewer { viewer { id tier permissions expiresAt } eventCursor }`;
const CONTENTS = `query Contents($first: Int!, $after: String, $types: [ContentType!]) {
  contents(first: $first, after: $after, contentTypes: $types) {
    edges { node { ${HEADER} ${OPENING} parent { contentId } children(first: 20) { contentId } } }
    pageInfo { hasNextPage endCursor } } }`;

/** A refusal by the gateway, as one of its errors says it. */
export class Refused extends Error {
  constructor({ message, extensions = {} }) {
    super(message);
    Object.assign(this, extensions);
  }
}

export class Gateway {
  #session;

  /** `session` has the token, and is told when it was refused. */
  constructor(bus, session) {
    this.bus = bus;
    this.#session = session;
    // The user sees a refusal at once, with the time to wait, instead of a page that waits.
    this.client = new Loregate({ url: location.origin, token: session.token, maxWait: 0 });
  }

  get connection() {
    return this.client.connection;
  }

  /** The document's data. Throws `Refused`, or the client's error where nothing was answered. */
  async ask(document, variables = {}) {
    for (let refusals = 0; ; refusals++) {
      try {
        return await this.#asked(document, variables);
      } catch (error) {
        // In development a second token is as good as the first; elsewhere the user brings it.
        if (error.code !== 'UNAUTHENTICATED' || (this.#session.isDev && refusals > 0)) throw error;
        await this.#session.refused(error);
      }
    }
  }

  async #asked(document, variables) {
    try {
      const { data, errors } = await this.client.request(document, variables);
      if (errors?.length) throw new Refused(errors[0]);
      this.bus.tell('answered');
      return data;
    } catch (error) {
      throw this.#told(error);
    }
  }

  /** The error as the console knows it; the others are told of what concerns them. */
  #told(error) {
    const isKnown = error instanceof Refused || !error.errors?.length;
    const known = isKnown ? error : new Refused(error.errors[0]);
    this.bus.tell(error.code === 'CONNECTION_LOST' ? 'away' : 'answered', { error: known });
    if (known.code === 'RATE_LIMIT_EXCEEDED') this.bus.tell('refused', { error: known });
    return known;
  }

  async #spend(document, variables) {
    const [payload] = Object.values(await this.ask(document, variables));
    this.bus.tell('spent', { rateLimit: payload.rateLimit });
    return payload;
  }

  viewer = () => this.ask(VIEWER);
  standing = () => this.ask(STANDING);
  start = async (input) => (await this.#spend(START, { input })).generation.id;
  cancel = (id) => this.#spend(CANCEL, { id });
  delete = (id) => this.#spend(DELETE, { id });
  contents = async (page) =>
    (await this.ask(CONTENTS, { types: null, after: null, ...page })).contents;

  /** How a generation ended, with its content in full. */
  async ending(id, schema) {
    const document = `query Ending($id: ID!) { generation(id: $id) { state text
      failure { code message retryable retryAfterMs attempts { ${ATTEMPT} } }
      content { ${HEADER} ${whole(schema)} } } }`;
    return (await this.ask(document, { id })).generation;
  }

  /** One content in full, with what it continues and what continues it; null when it is gone. */
  async content(id, schema) {
    const near = `${HEADER} ${OPENING}`;
    const document = `query Content($id: ID!) { content(id: $id) { ${HEADER} ${whole(schema)}
      parent { ${near} } children(first: 50) { ${near} } } }`;
    return (await this.ask(document, { id })).content;
  }
}

function whole(schema) {
  return schema?.results() ?? OPENING;
}
