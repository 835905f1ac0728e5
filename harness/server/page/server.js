// Questions to the server's own routes. The page holds no data: whoever may see it is decided there.

const token = new URLSearchParams(location.search).get("token");

export class Refused extends Error {}

function address(name, parameters = {}) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) {
    if (value !== "" && value !== null && value !== undefined) query.set(key, value);
  }
  if (token !== null) query.set("token", token);
  const text = query.toString();
  return `/harness/${name}${text ? `?${text}` : ""}`;
}

async function checked(answer) {
  if (answer.ok) return answer;
  let said = `the server answered ${answer.status}`;
  try {
    said = (await answer.json()).error ?? said;
  } catch {
    // An answer that is no JSON says nothing more.
  }
  throw new Refused(said);
}

export async function ask(name, parameters) {
  return (await checked(await fetch(address(name, parameters)))).json();
}

export async function askText(name, parameters) {
  return (await checked(await fetch(address(name, parameters)))).text();
}

export async function tell(name) {
  return (await checked(await fetch(address(name), { method: "POST" }))).json();
}

export function sessionToken() {
  return token;
}

// Calls back with the counts on every change, and with null when the server can't be reached or refuses to tell.
export function listen(changed) {
  const source = new EventSource(address("stream", { counts: 1 }));
  source.addEventListener("counts", (message) => changed(JSON.parse(message.data)));
  source.addEventListener("error", () => changed(null));
}
