// Why something did not come: the gateway's own errors, and those of the way to it.

// What a later try may mend. Whether the client makes it by itself stands where it tries.
const RETRYABLE = new Set([
  'CONNECTION_LOST', 'DEPENDENCY_UNAVAILABLE', 'INTERRUPTED', 'MODEL_ERROR', 'MODEL_TIMEOUT',
  'MODEL_UNAVAILABLE', 'RATE_LIMIT_EXCEEDED', 'SHUTTING_DOWN', 'TOO_MANY_OPERATIONS',
]);

export class LoregateError extends Error {
  /**
   * `code` is the gateway's, or CONNECTION_LOST, HTTP_ERROR, ORIGIN_REFUSED, PROTOCOL_ERROR.
   * `retryAfter` is in seconds; `errors` are the GraphQL errors; `resumeAfter` is the cursor to go
   * on from after CURSOR_EXPIRED.
   */
  constructor(code, message, facts = {}) {
    super(message, facts.cause && { cause: facts.cause });
    this.name = 'LoregateError';
    this.code = code;
    this.status = facts.status;
    this.retryAfter = facts.retryAfter;
    this.requestId = facts.requestId;
    this.retryable = facts.retryable ?? RETRYABLE.has(code);
    this.errors = facts.errors ?? [];
    this.resumeAfter = facts.resumeAfter;
  }

  /** Of GraphQL errors, by the first. */
  static of(errors, status) {
    const { message, extensions: facts = {} } = errors[0];
    return new LoregateError(facts.code ?? 'HTTP_ERROR', message, {
      status,
      errors,
      requestId: facts.requestId,
      retryAfter: facts.retryAfterMs === undefined ? undefined : facts.retryAfterMs / 1000,
      resumeAfter: facts.code === 'CURSOR_EXPIRED' ? facts.cursor : undefined,
    });
  }
}

export function lost(message, cause) {
  return new LoregateError('CONNECTION_LOST', message, { cause });
}

/** Of an answer that is no GraphQL, such as a proxy's. */
export function unreadable(response) {
  const waits = Number(response.headers.get('retry-after')) || undefined; // a date is not read
  return new LoregateError('HTTP_ERROR', `The answer was ${response.status} and no GraphQL`, {
    status: response.status,
    retryAfter: waits,
    retryable: [429, 502, 503, 504].includes(response.status),
  });
}
