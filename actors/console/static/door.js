// Asks for a key where the server does. What it has taken is kept until the tab is closed.

const PLACE = "recsys.key";
const find = (id) => document.getElementById(id);

const WORDS = {
  401: "The server does not take this key: it is not known, was withdrawn, or has expired.",
  403: "The server knows this key, but it lacks the scope read.",
};

/** The browser may forbid to keep anything; then a key lasts until the page is left. */
function storage(work) {
  try {
    return work(sessionStorage);
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}

export class Door {
  #form = find("key-form");
  #input = find("key");
  #button = find("key-send");
  #message = find("key-message");
  #submitted = () => {};
  key = storage((kept) => kept.getItem(PLACE)) ?? "";

  constructor() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#take(this.#input.value.trim());
    });
    find("forget").addEventListener("click", () => {
      storage((kept) => kept.removeItem(PLACE));
      location.reload(); // forgets what the key has shown, too
    });
  }

  get closed() {
    return !find("door").hidden;
  }

  /** The server lets us in: keeps the key, if there is one, and shows the console. */
  open() {
    if (this.key) storage((kept) => kept.setItem(PLACE, this.key));
    find("forget").hidden = !this.key;
    this.#show(false);
    this.#input.value = "";
  }

  /** Asks for a key, and for another one after `status`; resolves once it has one. */
  ask(status) {
    const first = this.key === "";
    this.key = "";
    storage((kept) => kept.removeItem(PLACE));
    find("forget").hidden = true;
    this.#show(true);
    this.#say(first ? "" : WORDS[status]);
    this.#busy(false);
    this.#input.focus();
    this.#input.select();
    return new Promise((resolve) => { this.#submitted = resolve; });
  }

  /** Says that the answer about a key is late. */
  wait(seconds) {
    if (this.closed) this.#say(`The server is busy or away; asking again in ${seconds} s.`);
  }

  #take(key) {
    if (!/^[!-~]+$/.test(key)) {
      this.#say(key ? "A key has neither spaces nor letters beyond ASCII." : "No key yet.");
      this.#input.focus();
      return;
    }
    this.key = key;
    this.#say("");
    this.#busy(true);
    this.#submitted();
  }

  #say(text) {
    this.#message.textContent = text;
    this.#input.setAttribute("aria-invalid", String(text !== ""));
  }

  #busy(busy) {
    this.#input.readOnly = busy;
    this.#button.disabled = busy;
  }

  #show(closed) {
    find("door").hidden = !closed;
    find("board").hidden = closed;
  }
}
