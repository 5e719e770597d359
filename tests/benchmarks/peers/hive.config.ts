// The provider's chat completions as a GraphQL mutation, for Hive Gateway:
//     PROVIDER=http://127.0.0.1:PORT mesh-compose -c mesh.config.ts -o supergraph.graphql
import { defineConfig } from '@graphql-mesh/compose-cli';
import { loadJSONSchemaSubgraph } from '@omnigraph/json-schema';

const message = { role: 'user', content: 'text' };
const provider = loadJSONSchemaSubgraph('Provider', {
  endpoint: process.env.PROVIDER,
  operationHeaders: { 'content-type': 'application/json', authorization: 'Bearer none' },
  operations: [
    {
      type: 'Mutation',
      field: 'complete',
      path: '/v1/chat/completions',
      method: 'POST',
      requestSample: { model: 'bench', messages: [message] },
      responseSample: {
        id: 'id',
        choices: [{ index: 0, message, finish_reason: 'stop' }],
        usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
      },
    },
    { type: 'Query', field: 'models', path: '/v1/models', method: 'GET', responseSample: { object: 'list' } },
  ],
});
export const composeConfig = defineConfig({ subgraphs: [{ sourceHandler: provider }] });
