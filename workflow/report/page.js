(function () {
  "use strict";
  const root = document.documentElement;
  const all = (selector, from) => Array.from((from || document).querySelectorAll(selector));

  // Light and dark. Charts carry the colours of the light theme; for dark their greys are exchanged before drawing.
  const DARK = { "#1f2933": "#e4e7eb", "#52606d": "#9aa5b1", "#d9dee3": "#323c46", "#7b8794": "#8f9baa" };
  const wanted = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => root.dataset.theme === "dark";

  function specification(id) {
    let text = document.getElementById(id).textContent;
    if (isDark()) for (const shade in DARK) text = text.split(shade).join(DARK[shade]);
    const spec = JSON.parse(text);
    spec.config = Object.assign({}, spec.config, { background: "transparent" });
    return spec;
  }

  let drawing = 0;
  async function draw() {
    const mine = ++drawing;
    for (const place of all(".vega")) {
      if (mine !== drawing) return;
      try {
        await window.vegaEmbed(place, specification(place.dataset.spec), {
          renderer: "svg", tooltip: { theme: isDark() ? "dark" : "light" },
          actions: { export: true, source: false, compiled: false, editor: false },
        });
        place.dataset.drawn = "yes";
      } catch (error) {
        place.textContent = "This chart could not be drawn: " + error.message;
        console.error(error);
      }
    }
  }

  function setTheme(name) {
    root.dataset.theme = name;
    if (window.vegaEmbed) draw();
  }
  document.getElementById("theme").addEventListener("click", () => setTheme(isDark() ? "light" : "dark"));
  wanted.addEventListener("change", (event) => setTheme(event.matches ? "dark" : "light"));
  setTheme(wanted.matches ? "dark" : "light");

  // Claims: filter by verdict, paper, model and words.
  const claims = all(".claim");
  const chosen = { verdict: "", paper: "", subject: "", text: "" };
  function filterClaims() {
    let shown = 0;
    for (const claim of claims) {
      const fits = ["verdict", "paper", "subject"].every((key) => !chosen[key] || claim.dataset[key] === chosen[key])
        && claim.textContent.toLowerCase().includes(chosen.text);
      claim.hidden = !fits;
      shown += fits;
    }
    for (const row of all(".matrix tbody tr")) row.hidden = Boolean(chosen.paper) && row.dataset.paper !== chosen.paper;
    const status = document.getElementById("claims-shown");
    if (status) status.textContent = shown + " of " + claims.length + " shown";
  }
  for (const chip of all(".chip")) {
    chip.addEventListener("click", () => {
      const on = chip.getAttribute("aria-pressed") !== "true";
      for (const other of all(".chip")) other.setAttribute("aria-pressed", String(other === chip && on));
      chosen.verdict = on ? chip.dataset.value : "";
      filterClaims();
    });
  }
  for (const select of all(".filters select")) {
    select.addEventListener("change", () => { chosen[select.dataset.filter] = select.value; filterClaims(); });
  }
  const words = document.getElementById("filter-text");
  if (words) words.addEventListener("input", () => { chosen.text = words.value.toLowerCase(); filterClaims(); });
  filterClaims();

  // A link to a claim opens it, even where a filter hides it.
  function openTarget() {
    const target = location.hash.startsWith("#claim-") && document.getElementById(location.hash.slice(1));
    if (target) { target.hidden = false; target.open = true; target.scrollIntoView({ block: "center" }); }
  }
  window.addEventListener("hashchange", openTarget);
  openTarget();

  // Tables: sort by a column, filter rows by words.
  for (const table of all("table.sortable")) {
    all("thead th", table).forEach((head, column) => {
      head.firstElementChild.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of all("thead th", table)) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const numeric = head.classList.contains("num");
        const key = (row) => {
          const cell = row.cells[column];
          return numeric ? parseFloat(cell.dataset.sort) : cell.textContent;
        };
        const rows = Array.from(table.tBodies[0].rows);
        rows.sort((a, b) => {
          const x = key(a), y = key(b);
          if (numeric && (isNaN(x) || isNaN(y))) return isNaN(x) - isNaN(y);
          const order = numeric ? x - y : x.localeCompare(y, undefined, { numeric: true });
          return up ? order : -order;
        });
        table.tBodies[0].append(...rows);
      });
    });
  }
  for (const box of all("input[data-table]")) {
    box.addEventListener("input", () => {
      const sought = box.value.toLowerCase();
      for (const row of document.getElementById(box.dataset.table).tBodies[0].rows) {
        row.hidden = !row.textContent.toLowerCase().includes(sought);
      }
    });
  }

  // The contents mark where the reader is.
  const links = new Map(all(".nav .links a").map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      const link = links.get(entry.target.id);
      if (link) link.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  for (const section of all("main > section")) seen.observe(section);
})();
