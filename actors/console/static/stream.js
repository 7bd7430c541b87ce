// Listens to /v1/stream. An EventSource cannot carry a key, so the events are read off a fetch.

const RETRY_MS = 1000; // after a stream that has ended, unless it says otherwise
const REFUSED_MS = 2000; // after an answer that was no stream

/** Takes server-sent events apart, however the bytes were cut on their way. */
export class EventParser {
  #decoder = new TextDecoder();
  #rest = "";
  #type = "";
  #data = [];
  retry = RETRY_MS;

  /** Takes in bytes and returns the events that they complete: {type, data}. */
  push(bytes) {
    // A CR at the very end may be half of a line break; it waits for what follows.
    const text = this.#rest + this.#decoder.decode(bytes, { stream: true });
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    const events = [];
    for (const line of lines) {
      if (line !== "") this.#field(line);
      else if (this.#data.length) events.push(this.#end());
      else this.#type = "";
    }
    return events;
  }

  #field(line) {
    const colon = line.indexOf(":"); // at 0 it makes a comment, which no name below matches
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }

  #end() {
    const event = { type: this.#type || "message", data: this.#data.join("\n") };
    this.#type = "";
    this.#data = [];
    return event;
  }
}

/** What a server without a stream has answered: {status, waitMs, refused: by our server's guard}. */
function refusal(answer) {
  const ours = answer.headers.get("content-type")?.startsWith("application/problem+json");
  const asked = Number(answer.headers.get("retry-after")) || 0;
  return {
    status: answer.status,
    waitMs: Math.max(REFUSED_MS, asked * 1000),
    refused: Boolean(ours) && [401, 403].includes(answer.status),
  };
}

/**
 * Follows one stream to its end; never throws.
 *
 * @param {string} key of the server, empty for none
 * @param {() => void} onOpen told when the stream begins
 * @param {(stats: object) => void} onTick told every tick
 * @returns what to do next: {status, waitMs, refused}, status 0 when the connection broke
 */
export async function follow(key, onOpen, onTick) {
  const parser = new EventParser();
  let reader;
  try {
    const headers = { Accept: "text/event-stream" };
    // Not as Authorization: that one may hold the browser's password for a proxy in front.
    if (key) headers["X-API-Key"] = key;
    const answer = await fetch("/v1/stream", { headers, cache: "no-store", redirect: "error" });
    const kind = answer.headers.get("content-type") ?? "";
    if (!answer.ok || !kind.startsWith("text/event-stream")) {
      await answer.body?.cancel();
      return refusal(answer);
    }
    reader = answer.body.getReader();
  } catch {
    return { status: 0, waitMs: RETRY_MS, refused: false };
  }
  onOpen();
  for (;;) {
    let chunk;
    try {
      chunk = await reader.read();
    } catch {
      chunk = { done: true }; // broken off, which is an end like any other
    }
    if (chunk.done) return { status: 200, waitMs: parser.retry, refused: false };
    for (const event of parser.push(chunk.value)) {
      if (event.type !== "tick") continue;
      try {
        onTick(JSON.parse(event.data));
      } catch (error) {
        reportError(error); // one tick that cannot be shown ends no stream
      }
    }
  }
}
