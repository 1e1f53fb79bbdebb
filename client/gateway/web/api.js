// The gateway, as functions. Errors are Error with the server's message and, where there was an answer, its `status`.

async function failure(reply) {
  const body = await reply.json().catch(() => ({}));
  const error = new Error(body.error?.message ?? `The gateway answered ${reply.status}.`);
  return Object.assign(error, { status: reply.status });
}

function headers(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function ask(path, options) {
  const reply = await fetch(path, options).catch((error) => {
    throw error.name === "AbortError" ? error : new Error("The gateway does not answer.");
  });
  if (!reply.ok) throw await failure(reply);
  return reply;
}

export async function model(token) {
  return (await ask("v1/model", { headers: headers(token) })).json();
}

export async function live(token) {
  return (await ask("v1/live", { headers: headers(token) })).json();
}

// Calls onEvent(name, data) for each server-sent event. Ends with the stream; `signal` ends it early.
async function events(path, request, { token, signal, onEvent }) {
  const reply = await ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream", ...headers(token) },
    body: JSON.stringify(request),
    signal,
  });
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const blocks = (waiting + part.value).split("\n\n");
    waiting = blocks.pop();
    blocks.forEach((block) => deliver(block, onEvent));
  }
}

function deliver(block, onEvent) {
  const field = (name) => block.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  const data = JSON.parse(field("data"));
  if (data.error) throw Object.assign(new Error(data.error.message), { status: data.error.code });
  onEvent(field("event"), data);
}

export function summarize(request, options) {
  return events("v1/summarize", request, options);
}

export function explore(request, options) {
  return events("v1/explore", request, options);
}
