"use strict";
// The page works without this: tables, switch, claims. This adds the way from a cell to what is behind it. Text from
// records only ever becomes text of the document, never markup.
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
    made.push(make("p", `Record ${entry.seal}: ${entry.means}.`, { class: entry.edited ? "seal edited" : "seal" }));
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
    title.textContent = cell.column ? `${held.called}: ${cell.row}, ${cell.column}` : `${held.called}: what is behind it`;
    body.replaceChildren();
    if (cell.column) {
      body.append(make("p", cell.value === undefined ? "empty" : cell.shown, { class: "big", id: "panel-value" }));
      if (cell.remark) body.append(make("p", cell.remark, { class: "remark" }));
      const list = [["value", "Exactly"], ["std", "Deviation"], ["n", "Seeds"], ["metric", "Metric"], ["paper", "Published"], ["difference", "Difference"]];
      body.append(pairs(list.filter(([key]) => cell[key] !== undefined).map(([key, name]) => [name, cell[key]])));
    }
    body.append(make("h4", cell.column ? "Make this cell again" : "Make it again"), ...command(held.commands[cell.command]));
    if (!cell.records.length) body.append(make("p", cell.column ? "No record is behind it: nothing was to be run." : "No record is behind it: nothing is measured.", { class: "seal" }));
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

  const [float, ...rest] = decodeURI(location.hash.slice(1)).split("/"), key = rest.join("/"); // a link to a cell
  if (key && Object.hasOwn(data.floats, float)) {
    const number = data.floats[float].cells.findIndex((cell) => cell.key === key);
    const cell = document.querySelector(`[data-float="${float}"] [data-cell="${number}"], [data-float="${float}"][data-cell="${number}"]`);
    if (cell) { cell.scrollIntoView({ block: "center" }); open(cell); }
  }
})();
