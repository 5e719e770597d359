// Our own client, under orders: node driver.mjs '<options as JSON>'
// Takes commands as lines of JSON on standard input, {name: argument}; prints what comes of them as
// such lines. `options.way` is "socket" or "stream"; without `options.token` it asks for one by
// {token: <the one refused>} and gets it by the command {token}. Ends when its input does.
import { createInterface } from 'node:readline';
import { Loregate } from 'loregate-client';
import WebSocket from 'ws';

const { way, origin, ...options } = JSON.parse(process.argv[2]);
const tell = (found) => console.log(JSON.stringify(found));
const failed = (error) => {
  const { name, code, status, retryAfter, retryable, requestId, resumeAfter, message } = error;
  tell({ failed: { name, code, status, retryAfter, retryable, requestId, resumeAfter, message } });
};

class Foreign extends WebSocket {
  constructor(url, protocol) {
    super(url, protocol, { origin });
  }
}

let pieces = 0; // of answers that were read
async function counted(...request) {
  const response = await fetch(...request);
  tell({ answered: response.status });
  const reader = response.body.getReader();
  const pull = async (controller) => {
    const { value, done } = await reader.read();
    pieces += 1;
    if (done) controller.close();
    else controller.enqueue(value);
  };
  const cancel = (reason) => reader.cancel(reason);
  const body = new ReadableStream({ pull, cancel }, { highWaterMark: 0 });
  return new Response(body, response);
}

let given; // resolves the token that was asked for
const gate = new Loregate({
  token: (refused) => {
    tell({ token: refused ?? null });
    return new Promise((resolve) => (given = resolve));
  },
  onState: (state, { error }) => tell({ state, ...(error && { why: error.code }) }),
  fetch: counted,
  WebSocket: way === 'socket' ? (origin ? Foreign : WebSocket) : null,
  ...options,
});

let feed;
let leaving;
let stepping; // whether each value is taken by a command of its own

async function follow() {
  try {
    for await (const value of feed) tell({ value });
    tell({ ended: true });
  } catch (error) {
    failed(error);
  }
}

function begin(made, { step }) {
  leaving = new AbortController();
  stepping = step;
  const onPosition = (position) => tell({ position });
  return (options) => {
    feed = made({ signal: leaving.signal, onPosition, ...options });
    if (!stepping) follow();
  };
}

const commands = {
  token: (token) => given(token),
  events: ({ step, ...options }) => begin((o) => gate.events(o), { step })(options),
  generation: ({ id, step, ...options }) =>
    begin((o) => gate.generation(id, o), { step })(options),
  next: async () => {
    const { value, done } = await feed.next();
    tell(done ? { ended: true } : { value });
  },
  go: () => follow(),
  leave: async () => tell({ left: await feed.return() }),
  abort: () => leaving.abort(),
  disconnect: () => gate.disconnect(),
  connect: () => gate.connect(),
  pieces: () => tell({ pieces }),
  request: async ({ document, variables, ...options }) =>
    tell({ result: await gate.request(document, variables, options) }),
  write: async ({ operation, input, ...options }) =>
    tell({ payload: await gate.write(operation, input, options) }),
  start: async ({ operation, input }) => tell({ started: await gate.start(operation, input) }),
  cancel: async ({ id }) => tell({ cancelled: await gate.cancel(id) }),
};

tell('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const [[name, argument]] = Object.entries(JSON.parse(line));
  Promise.resolve(argument).then(commands[name]).catch(failed);
}
