"use strict";
// Sorting, filtering, values on hover and by key. Without it the page says the same.

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const make = (tag, text = "", properties = {}) => Object.assign(document.createElement(tag), { textContent: text }, properties);

// A number that a cell begins with, so that 67.84 stands for "67.84 to 92.09"; none is ranged last.
const number = text => parseFloat(text.replace(/^[<\s]+/, "").replace("−", "-"));

function sortable(table) {
  const heads = all("thead th", table), body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = make("button", head.textContent, { type: "button" });
    head.dataset.name = head.textContent;
    head.replaceChildren(button);
    // A head that is repeated on the next sheet of paper is drawn without its buttons.
    addEventListener("beforeprint", () => head.replaceChildren(head.dataset.name));
    addEventListener("afterprint", () => head.replaceChildren(button));
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending", numeric = head.classList.contains("number");
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = row => numeric ? number(row.cells[column].textContent) : row.cells[column].textContent;
      const compare = (a, b) => numeric ? (isNaN(a) - isNaN(b)) || (down ? b - a : a - b) || 0
        : (down ? -1 : 1) * a.localeCompare(b, "en", { numeric: true });
      body.append(...[...body.rows].sort((a, b) => compare(key(a), key(b))));
    });
  });
}

// One form filters all tables: a row stays if it has the words, and the chosen method and verdict where it has such cells.
function filterable(form) {
  const shown = form.querySelector("output"), rows = [], { search, method, verdict } = form.elements;
  for (const table of all("table")) {
    const names = all("thead th", table).map(head => head.dataset.name), place = table.closest(".benchmark")?.querySelector("h3").textContent ?? "";
    for (const row of table.tBodies[0].rows) {
      const cells = Object.fromEntries(names.map((name, k) => [name, row.cells[k].textContent.trim()]));
      rows.push({ row, text: `${place} ${row.textContent}`.toLowerCase(), method: cells.method?.replace(/ \(.*/, ""), verdict: cells.verdict });
    }
  }
  const folds = all("main details:not(.words, .reasons)"), asOpened = folds.map(fold => fold.open);
  const update = () => {
    const wanted = search.value.toLowerCase().split(/\s+/), active = form.matches(":has(option:checked:not([value='']))") || search.value.trim();
    const kept = rows.filter(({ row, text, ...cells }) => {
      row.hidden = !wanted.every(word => text.includes(word)) || [method, verdict].some(({ name, value }) => value && cells[name] !== undefined && cells[name] !== value);
      return !row.hidden;
    });
    // What holds no row is out of the way, and what holds one is open, until nothing is asked for.
    all(".block:has(table)").forEach(block => { block.hidden = active && !block.querySelector("tbody tr:not([hidden])"); });
    folds.forEach((fold, k) => {
      const holds = fold.querySelector("tbody tr:not([hidden])");
      fold.open = active ? Boolean(holds) && (fold.matches(".benchmark") || asOpened[k] || Boolean(fold.closest("#answers"))) : asOpened[k];
    });
    form.querySelector("[type=reset]").hidden = !active;
    shown.textContent = active ? `${kept.length} of ${rows.length} rows` : "";
  };
  for (const event of ["input", "change"]) form.addEventListener(event, update);
  form.addEventListener("reset", () => setTimeout(update));
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
}

// What a link or an address leads to may be folded.
function unfold() {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  if (target) target.scrollIntoView();
}

const tip = document.getElementById("tip");
const centre = mark => { const box = mark.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; };

function show(mark) {
  all(".value.on").forEach(other => other.classList.remove("on"));
  tip.hidden = !mark;
  if (!mark) return;
  mark.classList.add("on");
  tip.textContent = mark.getAttribute("aria-label");
  const [x, y] = centre(mark), box = tip.getBoundingClientRect(), edge = document.documentElement.clientWidth - box.width - 8;
  tip.style.left = `${Math.max(8, Math.min(x - box.width / 2, edge))}px`;
  tip.style.top = `${y > box.height + 24 ? y - box.height - 14 : y + 14}px`;
}

// A figure is one stop of the Tab key; the arrows go from value to value.
function askable(svg) {
  const marks = all(".value", svg);
  let dismissed = null; // by Escape: it stays away until another value is asked for
  const current = mark => marks.forEach(other => other.setAttribute("tabindex", other === mark ? 0 : -1));
  for (const mark of marks) {
    const title = mark.querySelector("title");
    mark.setAttribute("role", "img");
    mark.setAttribute("aria-label", title.textContent);
    title.remove();
    mark.addEventListener("focus", () => { current(mark); dismissed = null; show(mark); });
    mark.addEventListener("blur", () => show(null));
  }
  if (!marks.length) return;
  current(marks[0]);
  const ask = mark => { if (!mark || mark !== dismissed) { dismissed = null; show(mark); } };
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  svg.addEventListener("keydown", event => {
    if (event.key === "Escape") { dismissed = svg.querySelector(".value.on"); show(null); }
    if (!(event.key in steps)) return;
    event.preventDefault();
    const next = marks.indexOf(document.activeElement) + steps[event.key];
    marks[Math.max(0, Math.min(next, marks.length - 1))].focus();
  });
  // Scrolling moves the page under a pointer that rests: that takes no value from the one who asks by key.
  const focused = () => marks.find(mark => mark.matches(":focus-visible")) ?? null;
  svg.addEventListener("pointermove", event => {
    const inside = event.target.closest(".value");
    const away = mark => { const [x, y] = centre(mark); return Math.hypot(x - event.clientX, y - event.clientY); };
    const near = marks.reduce((best, mark) => away(mark) < away(best) ? mark : best);
    ask(away(near) < 16 ? near : inside ?? focused());
  });
  svg.addEventListener("pointerleave", () => ask(focused()));
}

all("table").forEach(sortable);
all(".filters").forEach(filterable);
all("figure svg").forEach(askable);
let closed = [];
addEventListener("beforeprint", () => { closed = all("main details:not([open], .words)"); closed.forEach(fold => { fold.open = true; }); });
addEventListener("afterprint", () => closed.forEach(fold => { fold.open = false; }));
addEventListener("hashchange", unfold);
unfold();
