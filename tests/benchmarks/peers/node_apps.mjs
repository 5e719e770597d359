// Two GraphQL servers of Node that pass one question on to the model, and do nothing else.
//
//     PACKAGES=folder OPENAI_BASE_URL=… node node_apps.mjs yoga|mercurius PORT
//
// PACKAGES has the node_modules. The schema is the one of `graphql` in bare.py.
import { createRequire } from 'node:module';
import { createServer } from 'node:http';

const need = createRequire(`${process.env.PACKAGES}/`);
const { Agent, request } = need('undici');
const [, , kind, port] = process.argv;
const where = `${process.env.OPENAI_BASE_URL}/chat/completions`;
const dispatcher = new Agent({ connections: 1000 });

const typeDefs = `
  input Asked { model: String!, prompt: String! }
  type Usage { totalTokens: Int! }
  type Answer { id: String!, text: String!, usage: Usage! }
  type Query { ok: Boolean! }
  type Mutation { complete(input: Asked!): Answer! }
`;

async function complete(_, { input }) {
  const messages = [{ role: 'user', content: `${input.prompt} `.repeat(40) }];
  const { body } = await request(where, {
    method: 'POST',
    dispatcher,
    headers: { 'content-type': 'application/json', authorization: 'Bearer none' },
    body: JSON.stringify({ model: input.model, messages, temperature: 0.7, max_tokens: 1000 }),
  });
  const answer = await body.json();
  const [choice] = answer.choices;
  const usage = { totalTokens: answer.usage.total_tokens };
  return { id: answer.id, text: choice.message.content, usage };
}

const resolvers = { Query: { ok: () => true }, Mutation: { complete } };
if (kind === 'yoga') {
  const { createSchema, createYoga } = need('graphql-yoga');
  const schema = createSchema({ typeDefs, resolvers });
  const yoga = createYoga({ schema, logging: false, graphiql: false });
  createServer(yoga).listen(Number(port), '127.0.0.1');
} else {
  const app = need('fastify')({ logger: false });
  app.register(need('mercurius'), { schema: typeDefs, resolvers });
  app.listen({ port: Number(port), host: '127.0.0.1' });
}
