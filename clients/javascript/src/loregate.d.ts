// The client's own types; those of the gateway stand in schema.d.ts, made from its schema.
import type { Event, EventType, Generation, GenerationEvent, Operations } from './schema.js';

export type * from './schema.js';

/** A token, or what gives one: it is asked for each connection, and told the last one refused. */
export type Token = string | ((refused: string | undefined) => string | Promise<string>);

export interface LoregateOptions {
  /** Where the gateway is, without `/graphql`; by default where the page came from. */
  url?: string;
  token: Token;
  /** Instead of the global one. */
  fetch?: typeof globalThis.fetch;
  /** Instead of the global one, such as that of `ws`; null for server-sent events instead. */
  WebSocket?: WebSocketClass | null;
  /** As `connection.on('state', …)`. */
  onState?: StateListener;
  /** Seconds from its first failure in which a request is tried again; default 60. */
  maxWait?: number;
  /** Seconds for one answer; default 180. */
  timeout?: number;
  /** Seconds of silence that count as a lost connection; default 45. */
  silence?: number;
  /** Results that wait for a slow consumer; default 500. */
  buffer?: number;
}

export type WebSocketClass = new (url: string, protocol: string) => object;

/** Idle: nothing is followed. Waiting: until it connects again. Closed: by `disconnect()`. */
export type ConnectionState = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed';

export type StateListener = (
  state: ConnectionState,
  detail: {
    /** Why it waits. */
    error?: LoregateError;
    /** For how many seconds. */
    wait?: number;
  },
) => void;

export interface Connection {
  readonly state: ConnectionState;
  /** Returns what takes the listener off again. */
  on(event: 'state', listener: StateListener): () => void;
}

export interface RequestOptions {
  /** Aborts it; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface DocumentOptions extends RequestOptions {
  /** Whether it may be sent again when its answer was lost; by default unless it is a mutation. */
  repeatable?: boolean;
}

export interface WriteOptions extends RequestOptions {
  /** Made by the client unless given. */
  idempotencyKey?: string;
}

export interface FollowOptions extends RequestOptions {
  /** The cursor to begin behind. */
  after?: string;
  /** How far the stream is, told while the consumer waits and nothing comes. */
  onPosition?: (cursor: string) => void;
}

export interface EventOptions extends FollowOptions {
  /** Only these; default all. */
  types?: EventType[];
  /** Everybody's; needs the permission `events:read-all`. */
  all?: boolean;
  /** A cursor that is too old ends the iteration, unless it goes on with what is left. */
  onExpired?: 'throw' | 'continue' | ((error: LoregateError) => void);
}

export interface GraphqlError {
  message: string;
  path?: (string | number)[];
  locations?: { line: number; column: number }[];
  extensions?: { code?: string; requestId?: string; [fact: string]: unknown };
}

export interface GraphqlResult<Data> {
  data: Data;
  errors?: GraphqlError[];
  extensions?: Record<string, unknown>;
  headers: Headers;
}

export class Loregate {
  constructor(options: LoregateOptions);
  /** What subscriptions come over. */
  readonly connection: Connection;
  /** Go on after `disconnect()`; while it waits, connect at once. */
  connect(): void;
  /** Cut the connection and stay away; iterations wait, and miss nothing. */
  disconnect(): void;
  /** Any document. Rejects with a `LoregateError` when there is no data at all. */
  request<Data = any>(
    document: string,
    variables?: Record<string, unknown>,
    options?: DocumentOptions,
  ): Promise<GraphqlResult<Data>>;
  /** Write one content, and wait for it. */
  write<Name extends keyof Operations>(
    operation: Name,
    input: Operations[Name]['input'],
    options?: WriteOptions,
  ): Promise<Operations[Name]['payload']>;
  /** Start a generation, to be followed with `generation(id)`. */
  start<Name extends keyof Operations>(
    operation: Name,
    input: Operations[Name]['input'],
    options?: WriteOptions,
  ): Promise<Generation>;
  /** Cancel a generation; it may have ended before. */
  cancel(id: string, options?: RequestOptions): Promise<Generation>;
  /** What a generation tells, from its beginning or behind `after`, until it has ended. */
  generation(id: string, options?: FollowOptions): AsyncIterableIterator<GenerationEvent>;
  /** The caller's events, from now on or behind `after`, each once. */
  events(options?: EventOptions): AsyncIterableIterator<Event & { errors?: GraphqlError[] }>;
}

export class LoregateError extends Error {
  /** The gateway's, or CONNECTION_LOST, HTTP_ERROR, ORIGIN_REFUSED, PROTOCOL_ERROR. */
  readonly code: string;
  /** Of HTTP, where the answer had one. */
  readonly status?: number;
  /** Seconds until another try makes sense. */
  readonly retryAfter?: number;
  /** To quote in a report. */
  readonly requestId?: string;
  /** Whether a later try may go better. */
  readonly retryable: boolean;
  /** All of the answer's. */
  readonly errors: GraphqlError[];
  /** After CURSOR_EXPIRED: the cursor to go on from. */
  readonly resumeAfter?: string;
}
