// How long to wait, waiting that can be given up, and telling who waits.

const SHORTEST = 250; // ms, doubled by each failure in a row
const LONGEST = 15_000; // ms

/** Milliseconds to wait after so many failures in a row; half of it is jitter. */
export function backOff(failures) {
  return Math.min(LONGEST, SHORTEST * 2 ** failures) * (0.5 + Math.random() / 2);
}

/** Rejects with the signal's reason as soon as it is aborted. */
export function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => (clearTimeout(timer), reject(signal.reason));
    const timer = setTimeout(() => (signal?.removeEventListener('abort', abort), resolve()), ms);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}

/** What `work(signal)` gives; its signal is aborted by the given one, and by the time-out. */
export async function within(ms, signal, timedOut, work) {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  const timer = setTimeout(() => controller.abort(timedOut()), ms);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/** Call a listener of the caller's, if there is one; what it throws is not ours to stumble over. */
export function told(listener, ...facts) {
  try {
    listener?.(...facts);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
