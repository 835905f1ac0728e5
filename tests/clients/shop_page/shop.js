// A shop as anybody writes one: buttons that call Mixpanel's browser SDK. `?config=` is what the SDK is set up with.
// The SDK comes as a module, or by the snippet that sites paste into their pages: a stub first, the rest later.

const isSnippet = window.mixpanel !== undefined;
if (!isSnippet) window.mixpanel = (await import("/mixpanel.js")).default;

const asked = new URLSearchParams(location.search);
const config = JSON.parse(asked.get("config"));

if (isSnippet) document.documentElement.dataset.ready = "yes";
mixpanel.init(asked.get("token"), { ...config, loaded: () => (document.documentElement.dataset.ready = "yes") });

const on = (id, kind, act) => document.getElementById(id).addEventListener(kind, act);
const user = () => document.getElementById("user").value;

// What was tracked, in the page's own numbers: the truth that the server's answer is held against. It outlives a page.
let number = Number(sessionStorage.getItem("tracked") ?? 0);
const track = (name, properties = {}) => {
  mixpanel.track(name, { ...properties, number });
  number += 1;
  sessionStorage.setItem("tracked", String(number));
};

on("look", "click", () => track("View", { product: "shoes 👟 größe+1/2" }));
on("buy", "click", () => track("Buy", { price: 89.9, sizes: [41, 42], gift: null }));
on("login", "submit", (event) => {
  event.preventDefault();
  mixpanel.identify(user());
});
on("logout", "click", () => track("Log Out"));
on("logout-and-reset", "click", () => {
  track("Log Out");
  mixpanel.reset();
});
on("alias", "click", () => mixpanel.alias(user()));
on("profile", "click", () => mixpanel.people.set({ city: "Zürich", plan: "gold" }));
