// NounDetail: one row with its facts, what can be done with it, and what belongs to it.

import { act, possible } from "./action.js";
import { badge } from "./badge.js";
import { list, may } from "./client.js";
import { fill, h } from "./dom.js";
import { nounNamed } from "./nouns/table.js";
import { watch } from "./refresh.js";
import { cell, nounTable, visible } from "./table.js";

/** Show one row of a noun; returns ``{element, stop}``. */
export function nounDetail(noun, id) {
  const head = h("div", { class: "row bar" });
  const problem = h("p", { class: "stale", role: "status", hidden: true });
  const facts = h("dl", { class: "facts" });
  const parts = h("div");
  const fields = h("dl", { class: "facts mono" });
  const related = h("div");
  const parents = h("p", { class: "crumbs" }, h("a", { href: `#/${noun.key}` }, noun.title));
  const element = h(
    "section", { class: "noun" }, parents, head, problem, facts, parts, related,
    h("details", { class: "fields-all" }, h("summary", {}, "Everything the API says"), fields),
  );
  const tables = [];
  let last = "";

  async function look() {
    let row;
    try {
      const found = await list(noun.list, noun.row, { ...noun.params, [noun.idField ?? "id"]: id });
      row = found.rows[0];
    } catch (e) {
      problem.hidden = false;
      fill(problem, e.message);
      throw e;
    }
    problem.hidden = Boolean(row);
    if (!row) {
      fill(problem, `This ${noun.one} is no longer there.`);
      fill(head, last ? head.querySelector("h1") : h("h1", {}, "Gone"));
      return;
    }
    const text = JSON.stringify(row);
    if (text === last) return;
    const begin = last === "";
    last = text;
    draw(row);
    if (begin) relate(row);
  }

  function draw(row) {
    document.title = `${noun.name(row)} · Tegar`;
    const held = head.contains(document.activeElement) ? document.activeElement.textContent : null;
    const actions = possible(noun, [row]).map((a) =>
      h("button", { type: "button", class: a.danger ? "danger" : null, onclick: () => act(noun, a, [row]) }, a.title),
    );
    fill(head, h("h1", {}, noun.name(row), " ", badge(noun.state?.(row))), h("div", { class: "row tools" }, actions));
    if (held) actions.find((button) => button.textContent === held)?.focus();
    const columns = visible([...noun.columns, ...(noun.more ?? [])]).filter((c) => !c.own && c.of !== noun.state && c.title !== "State");
    fill(facts, columns.map((c) => fact(c.title, cell(c, row), c.kind)));
    fill(parts, (noun.parts ?? []).map((p) => partTable(p, p.of(row) ?? [])));
    fill(fields, Object.entries(row).map(([key, value]) => fact(key, typeof value === "object" ? JSON.stringify(value) : String(value))));
  }

  function relate(row) {
    for (const r of noun.related ?? []) {
      const other = nounNamed(r.noun);
      if (!may(other.list)) continue;
      const made = nounTable(other, { where: { ...r.fixed, [r.by]: row.id }, title: r.title ?? other.title, without: r.without, part: true, limit: r.limit ?? 50 });
      tables.push(made);
      related.append(made.element);
    }
  }

  const loop = watch(look);
  return {
    element,
    stop() {
      loop.stop();
      tables.forEach((t) => t.stop());
    },
  };
}

function fact(title, content, kind) {
  return content === "" ? null : h("div", { class: "fact" }, h("dt", {}, title), h("dd", { class: kind ?? null }, content));
}

function partTable(part, rows) {
  if (!rows.length) return null;
  return h(
    "section", { class: "noun" }, h("h3", {}, part.title),
    h("div", { class: "scroll" },
      h("table", {},
        h("thead", {}, h("tr", {}, part.columns.map((c) => h("th", { scope: "col" }, c.title)))),
        h("tbody", {}, rows.map((row) => h("tr", {}, part.columns.map((c) => h("td", { class: c.kind ?? null }, cell(c, row)))))))),
  );
}
