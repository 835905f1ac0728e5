(() => {
  "use strict";
  const form = document.querySelector(".filters");
  const scenarios = [...document.querySelectorAll("article.scenario")].map((article) => ({
    article,
    details: article.querySelector("details"),
    status: article.dataset.status,
    system: article.dataset.system,
    text: article.querySelector("summary").textContent.toLowerCase(),
  }));
  if (!form || scenarios.length < 2) return;
  document.documentElement.classList.add("scripted");
  const boxes = (name) => [...form.querySelectorAll(`input[name=${name}]`)];
  const chosen = (name) => new Set(boxes(name).filter((box) => box.checked).map((box) => box.value));
  const filter = () => {
    const statuses = chosen("status");
    const systems = chosen("system");
    const text = form.elements.text.value.trim().toLowerCase();
    let shown = 0;
    for (const one of scenarios) {
      const fits = statuses.has(one.status) && (!one.system || systems.has(one.system)) && one.text.includes(text);
      one.article.hidden = !fits;
      shown += fits;
    }
    form.querySelector("output").textContent = `${shown} of ${scenarios.length} shown`;
  };
  const setOpen = (open) => {
    for (const one of scenarios) if (!one.article.hidden) one.details.open = open;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.elements.open.addEventListener("click", () => setOpen(true));
  form.elements.close.addEventListener("click", () => setOpen(false));
  filter();
})();
