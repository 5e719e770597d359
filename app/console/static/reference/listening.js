// A stream without an end cannot be shown when it has ended: the page listens for a while.

const LISTENS = 5000; // ms
const NOTE = `\n: the page stopped listening after ${LISTENS / 1000} s; a client goes on\n`;

async function heard(body, stop) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  stop.then(() => reader.cancel());
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += decoder.decode(value, { stream: true });
  }
}

// As fetch, but of server-sent events what came within five seconds, or all when they ended.
export async function fetchForAWhile(url, options) {
  const response = await fetch(url, options);
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return response;
  let stopped = false;
  const stop = new Promise((resolve) => setTimeout(resolve, LISTENS)).then(() => { stopped = true; });
  const text = await heard(response.body, stop);
  const { status, statusText, headers } = response;
  const shown = new Response(text + (stopped ? NOTE : ''), { status, statusText, headers });
  Object.defineProperty(shown, 'url', { value: response.url });
  return shown;
}
