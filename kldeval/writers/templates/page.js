"use strict";
(() => {
  const STEP = 500;
  const find = (name) => document.getElementById(name);
  const pictures = () => [...document.images].map((image) => { image.loading = "eager"; return image.decode().catch(() => null); });
  addEventListener("beforeprint", pictures);
  addEventListener("load", () => (window.requestIdleCallback || setTimeout)(pictures));
  const printer = find("print");
  printer.hidden = false;
  printer.addEventListener("click", () => Promise.all(pictures()).then(() => print()));
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const code = button.parentElement.querySelector("code"), range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      const said = (done) => { find("copied").textContent = done ? "copied" : "selected: press Ctrl-C"; };
      if (!navigator.clipboard) { said(document.execCommand("copy")); return; }
      navigator.clipboard.writeText(code.textContent).then(() => said(true), () => said(document.execCommand("copy")));
    });
  }
  const table = find("table");
  if (!table) return;
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], more = find("more"), filter = find("filter");
  const first = [...body.rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  const rows = first.concat(JSON.parse(find("data").textContent || "[]"));
  const status = find("count"), whole = status.textContent;
  let shown = rows, limit = STEP;
  const number = (text) => text === "inf" ? Infinity : text === "-inf" ? -Infinity : text === "" ? NaN : Number(text);
  const draw = () => {
    const made = document.createDocumentFragment();
    for (const row of shown.slice(0, limit)) {
      const line = document.createElement("tr");
      row.forEach((text, place) => {
        const cell = document.createElement(place ? "td" : "th");
        if (place) { cell.textContent = text; } else { cell.scope = "row"; cell.append(document.createElement("bdi")); cell.firstChild.textContent = text; }
        line.append(cell);
      });
      made.append(line);
    }
    body.replaceChildren(made);
    more.hidden = shown.length <= limit;
  };
  const select = () => {
    const wanted = filter.value.toLowerCase();
    shown = wanted ? rows.filter((row) => row[0].toLowerCase().includes(wanted)) : rows;
    limit = STEP;
    status.textContent = wanted ? `${shown.length} of ${rows.length} maps` : whole;
    draw();
  };
  const sort = (place) => {
    const up = heads[place].getAttribute("aria-sort") !== "ascending", sign = up ? 1 : -1;
    const names = new Intl.Collator(undefined, { numeric: true });
    const keys = new Map(rows.map((row) => [row, place ? number(row[place]) : row[0]]));
    rows.sort((a, b) => {
      const x = keys.get(a), y = keys.get(b);
      if (!place) return sign * names.compare(x, y);
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
      return x === y ? 0 : x < y ? -sign : sign;
    });
    heads.forEach((head, other) => head.setAttribute("aria-sort", other === place ? (up ? "ascending" : "descending") : "none"));
    select();
  };
  heads.forEach((head, place) => head.querySelector("button").addEventListener("click", () => sort(place)));
  more.addEventListener("click", () => { limit += STEP; draw(); });
  filter.addEventListener("input", select);
  more.hidden = rows.length <= limit;
})();
