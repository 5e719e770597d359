// What the parts of the console tell each other, by name.
//
//   spent      { rateLimit }    a request was counted; its payload's tightest limit
//   refused    { error }        a limit was full
//   written    { content, cacheStatus, seconds }   a generation was completed
//   heard      { event }        an event came in over the socket
//   open       { id }           show this content
//   continue   { content }      write on from this content
//   deleted    { contentId }    a content is gone
//   answered   {}               the gateway answered, whatever it said
//   away       { error }        the gateway did not answer
//   signedOut  { error }        the token was refused

export class Bus {
  #target = new EventTarget();

  on(name, listener) {
    this.#target.addEventListener(name, (event) => listener(event.detail));
  }

  tell(name, detail = {}) {
    this.#target.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
