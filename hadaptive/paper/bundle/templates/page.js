"use strict";
// The page works without this: tables, switch, claims. This adds the panel with a cell's records, search and
// sorting. Text from records only ever becomes text of the document, never markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const panel = document.getElementById("panel"), body = document.getElementById("panel-body");
  const title = document.getElementById("panel-title"), said = document.getElementById("said");
  let from = null; // the cell that the panel speaks of

  function make(tag, text, attributes = {}, ...inside) {
    const made = document.createElement(tag);
    if (text !== "" && text != null) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...inside);
    return made;
  }

  function pairs(list) {
    const made = make("dl", "", { class: "pairs" });
    for (const [name, value] of list) made.append(make("div", "", {}, make("dt", name), make("dd", value)));
    return made;
  }

  function folded(summary, ...inside) {
    return make("details", "", {}, make("summary", summary), ...inside);
  }

  function command(text) {
    const button = make("button", "Copy", { type: "button", class: "button copy" });
    button.addEventListener("click", () => copy(text, button));
    const lines = text.split(/(?=results\/|--config |&& )/).map((part) => { // lines break where they are read best
      const pieces = part.split(/(?<=\/)/).flatMap((piece) => [piece, make("wbr")]);
      return make("span", "", {}, ...pieces);
    });
    return [make("pre", "", {}, make("code", "", { class: "command" }, ...lines)), button];
  }

  async function copy(text, button) {
    try {
      await navigator.clipboard.writeText(text);
    } catch { // no permission: a page opened from disk, in some browsers
      const field = make("textarea", "", { class: "sr", "aria-hidden": "true" });
      field.value = text;
      panel.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
      button.focus();
    }
    button.textContent = "Copied";
    said.textContent = "Command copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  }

  function draw(tag, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text != null) made.textContent = text;
    return made;
  }

  function plot({ title: name, lines }, x) {
    const [width, height, left, top, right, bottom] = [220, 120, 34, 14, 214, 104];
    const values = lines.flatMap(([, y]) => y).filter((v) => v !== null);
    const [low, high] = [Math.min(...values), Math.max(...values)], wide = high - low || 1;
    const [start, end] = [x[0], x[x.length - 1]], long = end - start || 1;
    const at = (n, v) => [left + (right - left) * (end === start ? 0.5 : (x[n] - start) / long), bottom - (bottom - top) * ((v - low) / wide)];
    const short = (v) => String(Number(v.toPrecision(3)));
    const names = lines.map(([split]) => split).filter(Boolean).join(", ");
    const label = `${name}${names ? ` (${names})` : ""} over epochs ${start} to ${end}, from ${short(low)} to ${short(high)}`;
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
    svg.append(draw("path", { class: "axis", d: `M${left} ${top}V${bottom}H${right}` }));
    for (const [split, y] of lines) {
      const kind = split === "train" ? "train" : split ? "test" : "only";
      let d = "", pen = "M";
      y.forEach((v, n) => {
        if (v === null) { pen = "M"; return; }
        const [px, py] = at(n, v);
        d += `${pen}${px.toFixed(1)} ${py.toFixed(1)}`;
        pen = "L";
        if (y.length < 8) svg.append(draw("circle", { class: `dot ${kind}`, cx: px.toFixed(1), cy: py.toFixed(1), r: 2 }));
      });
      svg.append(draw("path", { class: `line ${kind}`, d }));
    }
    const text = (tx, ty, words, anchor = "start") => svg.appendChild(draw("text", { x: tx, y: ty, "text-anchor": anchor }, words));
    text(left - 4, top + 3, short(high), "end");
    if (high !== low) text(left - 4, bottom, short(low), "end");
    text(left, height - 4, start);
    text(right, height - 4, end === start ? "" : `epoch ${end}`, "end");
    const head = text((left + right) / 2, 8, names ? `${name}: ` : name, "middle");
    lines.forEach(([split], n) => {
      if (split) head.append(draw("tspan", { class: `name ${split === "train" ? "train" : "test"}` }, `${n ? ", " : ""}${split}`));
    });
    return svg;
  }

  function record(entry) {
    const made = [make("h3", entry.id)];
    made.push(make("p", `Record ${entry.seal} (${entry.means}).`, { class: entry.edited ? "seal edited" : "seal" }));
    made.push(pairs([["Status", entry.status], ...entry.facts]));
    if (entry.plots && entry.plots.length) made.push(make("div", "", { class: "plots" }, ...entry.plots.map((each) => plot(each, data.held[entry.epochs]))));
    if (entry.recipe !== undefined) {
      made.push(folded("Recipe", pairs(data.held[entry.recipe])));
      made.push(folded("All metrics", pairs(entry.metrics)));
      made.push(folded("Device, versions, commit", pairs(data.environments[entry.environment])));
      made.push(folded("Checksums", pairs(entry.checks)));
    }
    made.push(make("p", entry.path, { class: "seal" }));
    return made;
  }

  function show(float, number, origin) {
    const held = data.floats[float], cell = held.cells[number];
    title.textContent = cell.column ? `${held.called}: ${cell.row}, ${cell.column}` : `${held.called}: sources`;
    body.replaceChildren();
    if (cell.column) {
      body.append(make("p", cell.value === undefined ? "empty" : cell.shown, { class: "big", id: "panel-value" }));
      if (cell.remark) body.append(make("p", cell.remark, { class: "remark" }));
      const list = [["value", "Exactly"], ["std", "Deviation"], ["n", "Seeds"], ["metric", "Metric"], ["paper", "Published"], ["difference", "Difference"]];
      body.append(pairs(list.filter(([key]) => cell[key] !== undefined).map(([key, name]) => [name, cell[key]])));
    }
    body.append(make("h3", cell.column ? "Reproduce this cell" : "Reproduce this figure", { class: "label" }), ...command(held.commands[cell.command]));
    if (!cell.records.length) body.append(make("p", cell.column ? "No record: nothing was to be run." : "No record: nothing is measured.", { class: "seal" }));
    for (const n of cell.records) body.append(...record(data.records[n]));
    mark(origin);
    if (!panel.open) panel.show();
    panel.scrollTop = 0;
    title.focus({ preventScroll: true });
    if (origin) origin.scrollIntoView({ block: "nearest", inline: "nearest" });
    history.replaceState(null, "", `#${float}/${encodeURI(cell.key)}`);
  }

  function mark(origin) {
    if (from) from.removeAttribute("aria-expanded");
    from = origin;
    if (from) from.setAttribute("aria-expanded", "true");
  }

  function close() {
    if (!panel.open) return;
    panel.close();
    const back = from;
    mark(null);
    if (back) back.focus();
    history.replaceState(null, "", location.pathname + location.search);
  }

  function place(float, number) {
    return document.querySelector(`[data-float="${float}"] [data-cell="${number}"], [data-float="${float}"][data-cell="${number}"]`);
  }

  function open(target) {
    const cell = target.closest("[data-cell]");
    if (!cell) return false;
    const float = cell.dataset.float || cell.closest("[data-float]").dataset.float;
    show(float, Number(cell.dataset.cell), cell);
    return true;
  }

  function move(cell, key) {
    const rows = [...cell.closest("tbody").rows], line = rows.indexOf(cell.parentElement), place = cell.cellIndex;
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    let next;
    if (key === "Home" || key === "End") {
      const cells = cell.parentElement.querySelectorAll("[data-cell]");
      next = key === "Home" ? cells[0] : cells[cells.length - 1];
    } else {
      const [dy, dx] = steps[key];
      next = rows[line + dy] && rows[line + dy].cells[place + dx];
    }
    if (!next || next.dataset.cell === undefined) return;
    for (const other of cell.closest("table").querySelectorAll('[data-cell][tabindex="0"]')) other.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  document.addEventListener("click", (event) => { open(event.target); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return close();
    const cell = event.target.closest("td[data-cell]");
    if (!cell) return;
    if (event.key === "Enter" || event.key === " ") { open(cell); event.preventDefault(); }
    else if (/^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(event.key)) { move(cell, event.key); event.preventDefault(); }
  });
  document.getElementById("panel-close").addEventListener("click", close);

  const all = document.getElementById("all-views");
  all.hidden = false;
  for (const button of all.querySelectorAll("button")) button.addEventListener("click", () => {
    for (const input of document.querySelectorAll(`input[name^="view-"][value="${button.dataset.all}"]`)) input.checked = true;
    said.textContent = `All tables: ${button.dataset.all}`;
  });

  // search: every word must occur in a cell's table, row, column, value or records
  const index = Object.entries(data.floats).flatMap(([float, held]) => held.cells.map((cell, number) => {
    const words = [held.called, cell.row, cell.column, cell.shown, cell.value, ...cell.records.map((n) => data.records[n].id)];
    return { float, number, cell, text: words.filter(Boolean).join(" ").toLowerCase() };
  }));
  const search = document.getElementById("search"), found = document.getElementById("found"), MOST = 30;
  search.hidden = false;
  search.querySelector("input").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = words.length ? index.filter((each) => words.every((word) => each.text.includes(word))) : [];
    found.hidden = !words.length;
    found.replaceChildren(...hits.slice(0, MOST).map(({ float, number, cell }) => {
      const name = [data.floats[float].called, cell.row, cell.column].filter(Boolean).join(", ");
      const link = make("a", `${name}: ${cell.value === undefined ? "empty" : cell.shown}`, { href: `#${float}/${encodeURI(cell.key)}` });
      link.addEventListener("click", (click) => {
        click.preventDefault();
        const target = place(float, number);
        if (target) { target.scrollIntoView({ block: "center" }); open(target); }
      });
      return make("li", "", {}, link);
    }));
    const more = hits.length - MOST;
    if (more > 0) found.append(make("li", `and ${more} more`));
    if (words.length && !hits.length) found.append(make("li", "No cell found"));
    said.textContent = words.length ? `${hits.length} cells found` : "";
  });

  // sorting: first by falling value, then by rising value, then as printed; what is shown counts
  for (const table of document.querySelectorAll("table[data-float]")) {
    const body = table.tBodies[0], printed = [...body.rows];
    for (const head of table.querySelectorAll("th[data-column]")) {
      const button = make("button", "", { type: "button", class: "sort" }, ...head.childNodes);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort"), order = before === "descending" ? "ascending" : before ? null : "descending";
        for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
        if (order) head.setAttribute("aria-sort", order);
        body.classList.toggle("sorted", Boolean(order));
        const at = Number(head.dataset.column) + 1, sign = order === "ascending" ? 1 : -1;
        const number = (row) => parseFloat(row.cells[at].innerText.replace("\u2212", "-").replace("<", ""));
        const compare = (a, b) => {
          const [x, y] = [number(a), number(b)];
          if (isNaN(x) && isNaN(y)) return sign * a.cells[at].innerText.localeCompare(b.cells[at].innerText);
          return isNaN(x) ? 1 : isNaN(y) ? -1 : sign * (x - y);
        };
        body.append(...(order ? [...printed].sort(compare) : printed));
      });
    }
  }

  // a phone sees the accuracies first
  if (matchMedia("(max-width: 40rem)").matches) for (const head of document.querySelectorAll("th[data-key]")) {
    const box = head.closest(".scroll"), names = box.querySelector("th");
    box.scrollLeft = head.offsetLeft - names.offsetWidth;
  }

  for (const details of document.querySelectorAll("[data-numbers]")) {
    details.hidden = false;
    details.addEventListener("toggle", () => {
      const [head, ...rows] = data.floats[details.dataset.numbers].numbers;
      const table = make("table", "", {}, make("thead", "", {}, make("tr", "", {}, ...head.map((name) => make("th", name, { scope: "col" })))),
        make("tbody", "", {}, ...rows.map((row) => make("tr", "", {}, ...row.map((value) => make("td", value))))));
      details.append(make("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Numbers" }, table));
    }, { once: true });
  }

  const theme = document.getElementById("theme"), root = document.documentElement;
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const label = () => { theme.textContent = dark() ? "Light" : "Dark"; theme.setAttribute("aria-label", `Switch to ${dark() ? "light" : "dark"} colours`); };
  const stored = (value) => { try { return value ? localStorage.setItem("theme", value) : localStorage.getItem("theme"); } catch { return null; } };
  if (["light", "dark"].includes(stored())) root.dataset.theme = stored();
  theme.hidden = false;
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; stored(root.dataset.theme); label(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
  label();

  const contents = document.querySelector(".contents details");
  if (matchMedia("(max-width: 68rem)").matches) contents.open = false;

  const linked = () => { try { return decodeURI(location.hash.slice(1)); } catch { return ""; } };
  const [float, ...rest] = linked().split("/"), key = rest.join("/"); // a link to a cell
  if (key && Object.hasOwn(data.floats, float)) {
    const cell = place(float, data.floats[float].cells.findIndex((cell) => cell.key === key));
    if (cell) { cell.scrollIntoView({ block: "center" }); open(cell); }
  }
})();
