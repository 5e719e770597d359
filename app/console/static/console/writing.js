// Writing: from the form's button to the finished text.

import { byId, button, empty, fill } from './dom.js';
import { attemptsOfResets, timeline } from './attempts.js';
import { showFacts } from './facts.js';
import { Form, kindChooser, shortName } from './form.js';
import { Manuscript } from './manuscript.js';
import { alertOf } from './notices.js';
import { result, title } from './result.js';
import { excerpt, milliseconds, plural, spoken, wordCount } from './words.js';

export class Writing {
  #forms = new Map();
  #form;
  #choose;
  #run = null;
  #manuscript = new Manuscript(byId('text'));
  #say = byId('writing-status');

  constructor(bus, gateway, schema) {
    Object.assign(this, { bus, gateway, schema });
    const kinds = schema.kinds();
    const chooser = kindChooser(kinds, (name) => this.#show(name));
    this.#choose = chooser.choose;
    this.kinds = new Map(kinds.map((kind) => [kind.name, kind]));
    byId('kinds').replaceChildren(chooser.element);
    byId('form').addEventListener('submit', (event) => this.#submit(event));
    byId('cancel').addEventListener('click', () => this.#cancel());
    bus.on('continue', ({ content }) => this.continue(content));
    gateway.connection.on('state', (state) => this.#socketIs(state));
    this.#show(kinds[0].name);
    this.#idle();
    byId('write').disabled = false;
  }

  #show(name) {
    if (!this.#forms.has(name)) this.#forms.set(name, new Form(this.schema, this.kinds.get(name)));
    this.#form = this.#forms.get(name);
    fill(byId('fields'), this.#form.element);
  }

  #idle() {
    fill(
      byId('text'),
      empty(
        'Nothing is written yet.',
        'The form holds what makes a first text. Press Write, and it appears here word by word.',
      ),
    );
    fill(byId('text-title'), 'Your text');
  }

  /** Fills in the form so that it writes on from this content. */
  continue(content) {
    const kind = this.#continuing(content);
    if (!kind) return;
    this.#choose(kind.name);
    this.#show(kind.name);
    this.#form.setParent(content.contentId);
    const next = shortName(kind.name).toLowerCase();
    this.#say.textContent = `The next ${next} continues “${excerpt(title(content), 60)}”.`;
    byId('write-panel').scrollIntoView();
    byId('write').focus();
  }

  /** The kind that goes on from a content: its own where that can, else a story. */
  #continuing({ __typename, contentType }) {
    const wished =
      { Item: 'item', Story: 'story' }[__typename] ?? `${contentType.toLowerCase()}Content`;
    return [wished, 'story']
      .map((name) => this.kinds.get(name))
      .find((kind) => kind && this.schema.parentField(kind));
  }

  #submit(event) {
    event.preventDefault();
    if (this.#run === null) this.write(this.#form);
  }

  /** Starts what the form holds and shows how it comes. */
  async write(form) {
    const run = {
      form,
      began: performance.now(),
      leave: new AbortController(),
      id: null,
      cacheStatus: null,
    };
    this.#run = run;
    this.#begin(shortName(form.kind.name));
    try {
      run.id = await this.gateway.start(form.read());
      byId('cancel').disabled = false;
      for await (const told of this.gateway.client.generation(run.id, { signal: run.leave.signal }))
        this.#hear(run, told);
      run.elapsed = (performance.now() - run.began) / 1000;
      this.#ended(run, await this.gateway.ending(run.id, this.schema));
    } catch (error) {
      this.#failed(run, error);
    } finally {
      this.#run = null;
      this.#settle();
    }
  }

  #begin(what) {
    this.#manuscript.begin();
    byId('facts').hidden = true;
    byId('cancel').disabled = true; // until there is something to cancel
    byId('cancel').hidden = false;
    byId('write').disabled = true;
    fill(byId('text-title'), what);
    fill(byId('text-actions'));
    fill(byId('trouble'));
    byId('manuscript').setAttribute('aria-busy', 'true');
    this.#say.textContent = `Writing: ${what.toLowerCase()}…`;
    const panel = byId('manuscript');
    if (panel.getBoundingClientRect().top > innerHeight * 0.7) panel.scrollIntoView();
  }

  #settle() {
    byId('manuscript').setAttribute('aria-busy', 'false');
    const hadFocus = document.activeElement === byId('cancel');
    byId('cancel').hidden = true;
    byId('write').disabled = false;
    if (hadFocus || document.activeElement === document.body)
      byId('write').focus({ preventScroll: true });
  }

  #hear(run, told) {
    if (told.type === 'delta') this.#manuscript.delta(told.text);
    else if (told.type === 'reset') {
      this.#manuscript.reset(told);
      const ended = `Attempt ${told.attempt - 1} ended: ${spoken(told.reason).toLowerCase()}`;
      this.#say.textContent = `${ended}. Its text is dropped, and another attempt writes.`;
    } else if (told.type === 'completed') run.cacheStatus = told.cacheStatus;
  }

  #ended(run, generation) {
    const { state, failure, content } = generation;
    if (state === 'COMPLETED' && content) return this.#completed(run, content);
    this.#manuscript.stop();
    if (state === 'CANCELLED') {
      this.#say.textContent = 'Cancelled. What was written until then is not kept.';
    } else if (failure) {
      this.#failed(run, failure);
      byId('trouble').append(timeline(failure.attempts, this.schema));
    } else this.#say.textContent = 'It was written, and has been deleted since.';
  }

  #completed(run, content) {
    const { metadata } = content;
    this.#manuscript.name(attemptsOfResets(this.#manuscript.resets, metadata.attempts));
    this.#manuscript.end(result(content, this.schema));
    showFacts(byId('facts'), metadata, {
      cacheStatus: run.cacheStatus,
      elapsed: run.elapsed,
      schema: this.schema,
    });
    const words = content.text && `${plural(wordCount(content.text), 'word')} `;
    const took = milliseconds(run.elapsed * 1000);
    this.#say.textContent = `Done: ${words || 'written '}by ${metadata.modelUsed}, in ${took}.`;
    fill(byId('text-actions'), this.#actions(run, content));
    this.bus.tell('written', { content, cacheStatus: run.cacheStatus, elapsed: run.elapsed });
  }

  #actions(run, content) {
    return [
      this.#continuing(content) &&
        button('Continue', () => this.continue(content), { class: 'quiet small' }),
      button('Write again', () => this.#run === null && this.write(run.form), {
        class: 'quiet small',
      }),
      button('Open', () => this.bus.tell('open', { id: content.contentId }), {
        class: 'quiet small',
      }),
    ];
  }

  #failed(run, error) {
    this.#manuscript.stop();
    const isShown =
      Boolean(error.field) && run.form.show(error.field, error.error ?? error.message);
    this.#say.textContent = isShown
      ? 'Nothing was written: a field needs another value.'
      : 'Nothing was written.';
    if (!isShown)
      fill(
        byId('trouble'),
        alertOf(error, () => this.#run === null && this.write(run.form)),
      );
    if (!this.#manuscript.text && !this.#manuscript.resets.length) {
      fill(byId('text'), empty('Nothing was written.', 'The reason stands above.'));
    }
  }

  async #cancel() {
    if (!this.#run?.id) return;
    byId('cancel').disabled = true;
    this.#say.textContent = 'Cancelling…';
    await this.gateway.cancel(this.#run.id).catch((error) => fill(byId('trouble'), alertOf(error)));
  }

  #socketIs(state) {
    if (this.#run === null) return;
    if (state === 'closed')
      this.#say.textContent = 'The socket is cut. The gateway writes on; resume to read the rest.';
    if (state === 'open') this.#say.textContent = 'Writing…';
  }
}
