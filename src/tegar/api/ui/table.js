// NounTable: the rows of any noun, looked at again and again without disturbing who reads them.

import { act, creating, possible } from "./action.js";
import { badge } from "./badge.js";
import { list, may } from "./client.js";
import { fill, freshId, h } from "./dom.js";
import { counted } from "./format.js";
import { openMenu } from "./menu.js";
import { watch } from "./refresh.js";

const ROWS_PER_PAGE = 100;

/** Return the columns that the user can see. */
export function visible(columns) {
  return columns.filter((c) => !c.needs || may(c.needs));
}

/** Return a cell's content. */
export function cell(column, row) {
  const value = column.of(row) ?? "";
  if (column.kind === "state") return badge(value);
  const to = value !== "" && column.to?.(row);
  return to ? h("a", { href: to }, String(value)) : String(value);
}

/** Return where a row's own page is. */
export function linkTo(noun, row) {
  return `#/${noun.key}/${encodeURIComponent(row[noun.idField ?? "id"])}`;
}

/**
 * Show a noun's rows; returns ``{element, stop}``.
 *
 * ``where`` are parameters that narrow the list down; ``title`` takes the place of the noun's, and
 * ``part`` leaves out what a table inside another page does not need; ``without`` names columns to leave out.
 */
export function nounTable(noun, { where = {}, title = noun.title, without = [], part = false, limit = ROWS_PER_PAGE, filter = "" } = {}) {
  const columns = visible(noun.columns).filter((c) => !without.includes(c.title));
  const idField = noun.idField ?? "id";
  const selectable = !part && (noun.actions ?? []).some((a) => a.bulk && may(a.command));
  const state = { page: 1, keyword: "", filter, sort: null, down: false, rows: [], total: 0, chosen: new Set() };
  const shown = new Map(); // id → {tr, text}

  const count = h("span", { class: "count" });
  const stale = h("p", { class: "stale", hidden: true, role: "status" });
  const body = h("tbody");
  const empty = h("p", { class: "empty", hidden: true });
  const pager = h("div", { class: "row pager" });
  const bulk = h("div", { class: "row bulk", hidden: true });
  const all = h("input", { type: "checkbox", "aria-label": "Select all", onchange: () => chooseAll(all.checked) });
  const head = h("tr");
  const heading = h(part ? "h3" : "h1", {}, title, " ", count);
  const element = h(
    "section",
    { class: "noun" },
    h("div", { class: "row bar" }, heading, part ? null : tools()),
    bulk,
    stale,
    h("div", { class: "scroll" }, h("table", {}, h("thead", {}, head), body)),
    empty,
    pager,
  );

  function tools() {
    const find = h("input", { type: "search", placeholder: `Find ${noun.many ?? noun.title.toLowerCase()}  /`, "aria-label": "Find", class: "find" });
    let timer = 0;
    find.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => narrow({ keyword: find.value.trim() }), 250);
    });
    const states = noun.filter
      ? h(
          "select",
          { "aria-label": noun.filter.title, onchange: (e) => narrow({ filter: e.target.value }) },
          h("option", { value: "" }, noun.filter.title),
          noun.filter.values.map((value) => h("option", { value, selected: value === filter }, value)),
        )
      : null;
    const creates = creating(noun).map((a) =>
      a.page
        ? h("a", { class: "button primary", href: a.page }, a.title)
        : h("button", { type: "button", class: a.quiet ? null : "primary", onclick: () => act(noun, a, []) }, a.title),
    );
    return h("div", { class: "row tools" }, find, states, creates);
  }

  function narrow(change) {
    Object.assign(state, change, { page: 1 });
    loop.now();
  }

  async function look() {
    const asked = { ...noun.params, ...where, page: state.page, pagesize: limit };
    if (state.keyword) asked.keyword = state.keyword;
    if (state.filter) asked[noun.filter.param] = state.filter;
    try {
      const found = await list(noun.list, noun.row, asked);
      if (!found.rows.length && state.page > 1) {
        state.page -= 1;
        return look();
      }
      Object.assign(state, found);
      stale.hidden = true;
    } catch (e) {
      stale.hidden = false;
      fill(stale, `${e.message}. What stands here is from before.`);
      throw e;
    }
    draw();
  }

  function sorted() {
    if (!state.sort) return state.rows;
    const key = state.sort.by ?? state.sort.of;
    const order = (a, b) => {
      const [x, y] = [key(a) ?? "", key(b) ?? ""];
      const less = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
      return state.down ? -less : less;
    };
    return [...state.rows].sort(order);
  }

  function draw() {
    fill(count, state.total ? state.total.toLocaleString("en") : "");
    drawHead();
    const ids = new Set(state.rows.map((row) => String(row[idField])));
    for (const [id, old] of shown) {
      if (ids.has(id)) continue;
      old.tr.remove();
      shown.delete(id);
      state.chosen.delete(id);
    }
    let before = null;
    for (const row of sorted()) {
      const tr = drawRow(row);
      const wanted = before ? before.nextSibling : body.firstChild;
      if (tr !== wanted) body.insertBefore(tr, wanted);
      before = tr;
    }
    const nothing = state.keyword || state.filter ? "Nothing matches." : (noun.empty ?? "There are none.");
    fill(empty, nothing);
    empty.hidden = state.rows.length > 0;
    drawPager();
    drawBulk();
  }

  function drawHead() {
    const sortable = !part && state.total <= state.rows.length;
    const key = `${sortable}${state.sort?.title}${state.down}`;
    if (head.dataset.key === key) return;
    head.dataset.key = key;
    const mark = (c) => (state.sort === c ? (state.down ? " ↓" : " ↑") : "");
    fill(
      head,
      selectable ? h("th", { class: "tick" }, all) : null,
      columns.map((c) =>
        h(
          "th",
          { scope: "col", class: c.kind === "number" ? "number" : null, "aria-sort": state.sort === c ? (state.down ? "descending" : "ascending") : null },
          sortable ? h("button", { type: "button", class: "sort", onclick: () => sortBy(c) }, c.title + mark(c)) : c.title,
        ),
      ),
      h("th", { class: "act" }, h("span", { class: "hidden" }, "Actions")),
    );
  }

  function sortBy(column) {
    state.down = state.sort === column && !state.down;
    state.sort = column;
    draw();
  }

  function drawRow(row) {
    const id = String(row[idField]);
    const text = JSON.stringify(row);
    const old = shown.get(id);
    if (old?.text === text) return old.tr;
    const cells = columns.map((c) => h("td", { class: c.own ? "own" : (c.kind ?? null) }, c.own ? h("a", { href: linkTo(noun, row) }, c.of(row)) : cell(c, row)));
    if (old) {
      const kept = [...old.tr.children];
      cells.forEach((td, i) => kept[i + (selectable ? 1 : 0)].replaceWith(td));
      Object.assign(old, { text, row });
      return old.tr;
    }
    const made = { text, row };
    const box = h("input", { type: "checkbox", "aria-label": `Select ${noun.name(row)}`, onchange: () => choose(id, box.checked) });
    const more = h("button", { type: "button", class: "quiet", "aria-label": `Actions for ${noun.name(row)}`, "aria-haspopup": "menu", onclick: () => offer(more, made.row) }, "⋯");
    made.tr = h("tr", {}, selectable ? h("td", { class: "tick" }, box) : null, cells, h("td", { class: "act" }, noun.actions?.length ? more : null));
    shown.set(id, made);
    return made.tr;
  }

  function offer(button, row) {
    openMenu(button, possible(noun, [row]).map((a) => ({ title: a.title, danger: a.danger, run: () => act(noun, a, [row]) })));
  }

  function choose(id, chosen) {
    if (chosen) state.chosen.add(id);
    else state.chosen.delete(id);
    drawBulk();
  }

  function chooseAll(chosen) {
    state.chosen = new Set(chosen ? shown.keys() : []);
    for (const { tr } of shown.values()) tr.querySelector("td.tick input").checked = chosen;
    drawBulk();
  }

  function drawBulk() {
    if (!selectable) return;
    const rows = [...state.chosen].map((id) => shown.get(id).row);
    const key = JSON.stringify(rows.map((row) => [row[idField], row.state]));
    all.checked = rows.length > 0 && rows.length === shown.size;
    bulk.hidden = rows.length === 0;
    if (bulk.dataset.key === key) return;
    bulk.dataset.key = key;
    const actions = possible(noun, rows).filter((a) => a.bulk);
    fill(
      bulk,
      h("strong", {}, `${rows.length} selected`),
      actions.map((a) => h("button", { type: "button", class: a.danger ? "danger" : null, onclick: () => act(noun, a, rows) }, a.title)),
      actions.length ? null : h("span", { class: "dim" }, "Nothing can be done with all of these at once."),
      h("button", { type: "button", class: "quiet", onclick: () => chooseAll(false) }, "Clear"),
    );
  }

  function drawPager() {
    const pages = Math.ceil(state.total / limit);
    pager.hidden = part || pages <= 1;
    if (pager.hidden) return;
    const turn = (by) => {
      state.page += by;
      loop.now();
    };
    fill(
      pager,
      h("button", { type: "button", disabled: state.page <= 1, onclick: () => turn(-1) }, "← Before"),
      h("span", {}, `Page ${state.page} of ${pages}, ${counted(state.total, noun.one, noun.many)}`),
      h("button", { type: "button", disabled: state.page >= pages, onclick: () => turn(1) }, "Next →"),
    );
  }

  element.id = freshId();
  const loop = watch(look);
  return { element, stop: loop.stop };
}
