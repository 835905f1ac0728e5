// The page: asks again when something changed, never faster than the server answers, and puts the answers in their places.

import { answerOf } from "./answer.js";
import { count, html } from "./dom.js";
import { Feed } from "./feed.js";
import { People } from "./people.js";
import { ask, askText, listen, Refused, sessionToken, tell } from "./server.js";
import { welcome } from "./welcome.js";

const SOONEST_MS = 250;
const PATIENCE = 4;
const AFTER_FAILURE_MS = 2_000;
const SPOKEN_EVERY_MS = 5_000;
const MOST_KNOWN = 300;
const MOST_RECORDED = 2_000;

const part = (name) => document.getElementById(name);
const state = {
  counts: null,
  picture: null,
  searched: "",
  isAsking: false,
  waiting: null,
  again: false,
  hurries: false,
  isPaused: false,
  chosen: [],
  told: 0,
  spoken: "",
  spokenSearch: "",
};

const people = new People(part("graph"), choose);
const feed = new Feed(
  { rows: part("rows"), kinds: part("feed-kinds"), count: part("feed-count"), pager: part("pager"), newest: part("newest"), newer: part("newer"), older: part("older") },
  (a, b) => question(a, b, { focus: true }),
);

function say(text) {
  part("said").textContent = text;
}

function connection(kind, text) {
  part("connection").dataset.kind = kind;
  part("connection-text").textContent = text;
}

// One question at a time. The next one waits in proportion to how long this one took, unless somebody asks for it.
async function refresh({ atOnce = false } = {}) {
  if (atOnce) {
    clearTimeout(state.waiting);
    state.waiting = null;
  }
  if (state.isAsking || state.waiting !== null) {
    state.again = true;
    state.hurries ||= atOnce;
    return;
  }
  state.isAsking = true;
  state.again = false;
  const start = performance.now();
  let soonest = SOONEST_MS;
  try {
    const search = part("search-text").value.trim();
    const [picture] = await Promise.all([ask("picture", { search, order: part("order").value }), feed.refresh()]);
    state.picture = picture;
    state.searched = search;
    if (picture.behind > 0) state.again = true;
    show();
    if (state.isPaused) connection("paused", "paused");
    else connection("live", "live");
  } catch (error) {
    connection("lost", error instanceof Refused ? error.message : "no answer, trying again");
    state.again = !(error instanceof Refused);
    soonest = AFTER_FAILURE_MS;
  }
  state.isAsking = false;
  const rest = Math.max(soonest, PATIENCE * (performance.now() - start));
  state.waiting = setTimeout(() => {
    state.waiting = null;
    if (state.again) refresh();
  }, state.hurries ? 0 : rest);
  state.hurries = false;
}

function changed(counts) {
  if (counts === null) {
    connection("lost", "connection lost, trying again");
    refresh();
    return;
  }
  const was = state.counts;
  state.counts = counts;
  if (was !== null && was.resets !== counts.resets) begin();
  if (!state.isPaused && document.visibilityState === "visible") refresh();
}

function begin() {
  feed.clear();
  clearQuestion();
}

function show() {
  const { picture } = state;
  const counts = state.counts ?? {};
  people.show(picture);
  part("system").textContent = picture.id_merge;
  part("system").hidden = false;
  const numbers = { users: picture.users, ids: picture.ids, events: counts.events, decisions: counts.decisions, rejected: counts.rejected };
  for (const [name, number] of Object.entries(numbers)) {
    const place = document.querySelector(`[data-count="${name}"]`);
    if (number !== undefined) place.textContent = number.toLocaleString("en");
    place.parentElement.classList.toggle("some", number > 0);
  }
  const isEmpty = picture.ids === 0 && (counts.rows ?? 0) === 0;
  const hadWelcome = !part("welcome").hidden;
  part("welcome").hidden = !isEmpty;
  if (isEmpty && !hadWelcome) part("welcome").replaceChildren(...welcome());
  part("legend").hidden = picture.groups.length === 0;
  part("search").hidden = isEmpty;
  part("people-count").textContent = shownText(picture);
  part("known-ids").replaceChildren(...people.ids().slice(0, MOST_KNOWN).map((text) => html("option", { value: text })));
  speak(picture, counts);
}

function shownText(picture) {
  if (state.searched !== "") {
    if (picture.found === 0) return "no id has this in it";
    const some = picture.shown < picture.found ? `, ${picture.shown} shown` : "";
    return `${count(picture.found, "cluster")} found${some}`;
  }
  const drawn = picture.groups.reduce((sum, group) => sum + group.clusters.length, 0);
  const behind = picture.behind ? `, ${count(picture.behind, "event")} to read` : "";
  return (drawn < picture.clusters ? `${drawn} of ${count(picture.clusters, "cluster")}` : count(drawn, "cluster")) + behind;
}

// What a screen reader says of new events: the sums, and not too often.
function speak(picture, counts) {
  if (state.searched !== state.spokenSearch) {
    state.spokenSearch = state.searched;
    say(shownText(picture));
    return;
  }
  const text = `${count(counts.events ?? 0, "event")}, ${count(picture.users, "user")}, ${counts.rejected ?? 0} rejected`;
  if (text === state.spoken || performance.now() - state.told < SPOKEN_EVERY_MS) return;
  state.told = performance.now();
  state.spoken = text;
  say(text);
}

function choose(text) {
  const chosen = state.chosen.includes(text) ? state.chosen.filter((each) => each !== text) : [...state.chosen, text].slice(-2);
  if (chosen.length === 0) clearQuestion();
  else question(chosen[0], chosen[1] ?? "", { focus: false });
}

async function question(a, b, { focus }) {
  part("first-id").value = a;
  part("second-id").value = b;
  state.chosen = [a, b].filter(Boolean);
  people.mark(state.chosen);
  part("question-hint").hidden = true;
  const answer = part("answer");
  answer.hidden = false;
  if (a === "") {
    answer.replaceChildren(html("p", { class: "verdict no" }, "Give at least one id."));
    part("first-id").focus();
    return;
  }
  answer.setAttribute("aria-busy", "true");
  try {
    const found = await ask("explain", { a, b });
    if (state.chosen.join("\n") !== [a, b].filter(Boolean).join("\n")) return;
    answer.replaceChildren(...answerOf(a, b, found, (index) => feed.open(index).catch(() => {})).filter(Boolean));
  } catch (error) {
    answer.replaceChildren(html("p", { class: "verdict no" }, error instanceof Refused ? error.message : "The server does not answer."));
  }
  answer.removeAttribute("aria-busy");
  if (focus) {
    answer.focus();
    answer.scrollIntoView({ block: "nearest" });
  }
}

function clearQuestion() {
  state.chosen = [];
  people.mark([]);
  part("first-id").value = part("second-id").value = "";
  part("answer").hidden = true;
  part("answer").replaceChildren();
  part("question-hint").hidden = false;
}

async function openSave() {
  part("save-name").value = `Recorded ${new Date().toISOString().slice(0, 16).replace("T", " ")}`;
  const rows = state.counts?.rows ?? 0;
  part("save-part").hidden = rows <= MOST_RECORDED;
  part("save-part").textContent = `Only the first ${count(MOST_RECORDED, "row")} of ${rows.toLocaleString("en")} are in it: reset before the flow you want to record.`;
  part("save-dialog").showModal();
  await fillSave();
}

async function fillSave() {
  const text = part("save-text");
  try {
    const yaml = await askText("scenario", { name: part("save-name").value.trim(), limit: MOST_RECORDED });
    text.textContent = yaml;
    URL.revokeObjectURL(part("save-file").href);
    part("save-file").href = URL.createObjectURL(new Blob([yaml], { type: "application/yaml" }));
  } catch (error) {
    text.textContent = error instanceof Refused ? error.message : "The server does not answer.";
    part("save-file").removeAttribute("href");
  }
}

async function copySave() {
  try {
    await navigator.clipboard.writeText(part("save-text").textContent);
    part("save-copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(part("save-text"));
    part("save-copy").textContent = "Press Ctrl+C";
  }
  setTimeout(() => (part("save-copy").textContent = "Copy"), 2_000);
}

function openReset() {
  const counts = state.counts ?? { rows: 0 };
  part("reset-text").textContent = `${count(counts.rows, "row")} and ${count(state.picture?.users ?? 0, "user")} will be gone. Save them as a scenario first, if you need them.`;
  part("reset-dialog").showModal();
}

async function resetClosed() {
  if (part("reset-dialog").returnValue !== "yes") return;
  try {
    await tell("reset");
    begin();
    await refresh({ atOnce: true });
    say("Everything was forgotten.");
  } catch (error) {
    connection("lost", error instanceof Refused ? error.message : "no answer");
  }
}

function togglePause() {
  state.isPaused = !state.isPaused;
  part("pause").setAttribute("aria-pressed", String(state.isPaused));
  connection(state.isPaused ? "paused" : "live", state.isPaused ? "paused" : "live");
  if (!state.isPaused) refresh({ atOnce: true });
}

async function offerSessions() {
  let sessions;
  try {
    sessions = (await ask("sessions")).sessions;
  } catch {
    return;
  }
  if (sessions.length < 2) return;
  const own = sessionToken() ?? "";
  part("session-choice").replaceChildren(
    ...sessions.map((session, at) => html("option", { value: at === 0 ? "" : session.token, selected: (session.token ?? "") === own }, at === 0 ? "of the server" : session.token)),
  );
  part("session-choice").addEventListener("change", (event) => {
    location.search = event.target.value ? `?token=${encodeURIComponent(event.target.value)}` : "";
  });
  part("session").hidden = false;
}

let typing;
part("search").addEventListener("submit", (event) => {
  event.preventDefault();
  refresh({ atOnce: true });
});
part("search-text").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => refresh({ atOnce: true }), 150);
});
part("order").addEventListener("change", () => refresh({ atOnce: true }));
part("question").addEventListener("submit", (event) => {
  event.preventDefault();
  question(part("first-id").value, part("second-id").value, { focus: true });
});
part("question").addEventListener("reset", () => setTimeout(clearQuestion));
part("pause").addEventListener("click", togglePause);
part("reset").addEventListener("click", openReset);
part("reset-dialog").addEventListener("close", resetClosed);
part("save").addEventListener("click", openSave);
part("save-name").addEventListener("change", fillSave);
part("save-copy").addEventListener("click", copySave);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && !state.isPaused) refresh();
});
listen(changed);
offerSessions();
