// npm's graphql-ws as its README serves it, with `ws`; its first line of output is the URL.
import { buildSchema } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'

const schema = buildSchema(`
  type Query { hello: String slow: String failing: String }
  type Mutation { touch: Int }
  type Subscription { silent: Int count: Int failing: Int }
`)
const waited = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function* silence() {
  await waited(60_000)
  yield { silent: 0 }
}

async function* counting() {
  for (const count of [1, 2, 3]) yield { count }
}

async function* breaking() {
  yield { failing: 1 }
  throw new Error('broken')
}

const fail = () => {
  throw new Error('broken')
}
const slow = async () => {
  await waited(800)
  return 'late'
}

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/graphql' })
useServer(
  {
    schema,
    roots: {
      query: { hello: 'world', slow, failing: fail },
      mutation: { touch: 1 },
      subscription: { silent: silence, count: counting, failing: breaking },
    },
    connectionInitWaitTimeout: 1_000,
    onConnect: ({ connectionParams }) => {
      if (connectionParams?.crash) throw new Error('broken')
      return !connectionParams?.reject
    },
  },
  server,
)
server.on('listening', () => {
  console.log(`ws://127.0.0.1:${server.address().port}/graphql`)
})
