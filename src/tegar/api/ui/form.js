// CommandForm: the fields of a command, made from what listApis says of it.

import { api, list } from "./client.js";
import { openDialog } from "./dialog.js";
import { freshId, fill, h } from "./dom.js";
import { base64 } from "./format.js";
import { nounOfList } from "./nouns/table.js";

const LONG = new Set(["userdata", "publickey"]);
const IN_BASE64 = new Set(["userdata"]);
const WORDS = {
  allocationstate: "Allocation", clustername: "Name", cpunumber: "CPUs", cpuspeed: "CPU speed, MHz", displayname: "Name to show",
  displaytext: "Description", dns1: "DNS", dns2: "Second DNS", email: "E-mail", endip: "Last address", firstname: "First name",
  haenable: "Restart when its host dies", hosttags: "Host tags", ispublic: "Public", lastname: "Last name", memory: "Memory, MB",
  offerha: "HA", publickey: "Public key", size: "Size, GB", startip: "First address", url: "URL", username: "User name", vlan: "VLAN",
};

/**
 * Ask for a command's parameters in a dialog.
 *
 * ``given`` are parameters that need no asking; ``asks`` come first, in order, with everything required;
 * the rest of what the API knows waits under "More options".  ``submit`` gets the parameters
 * and the form itself: ``{open, close, say}``, so that what was typed survives a refusal.
 */
export function commandForm({ command, title, note, verb, danger, given = [], asks = [], needs = [], options = {}, picks = {}, submit }) {
  const params = api(command).params.filter((p) => !given.includes(p.name));
  const first = [...asks, ...params.filter((p) => p.required && !asks.includes(p.name)).map((p) => p.name)];
  const shown = first.map((name) => params.find((p) => p.name === name)).filter(Boolean);
  const rest = params.filter((p) => !first.includes(p.name));
  const make = (p, asked) => field(p, { asked, needed: needs.includes(p.name), options: options[p.name], pick: picks[p.name] });
  const fields = shown.map((p) => make(p, true));
  const others = h("div", { class: "fields" });
  const more = rest.length
    ? h("details", { ontoggle: () => unfold() }, h("summary", {}, "More options"), others)
    : null;

  function unfold() {
    if (others.childElementCount) return;
    const made = rest.map((p) => make(p, false));
    fields.push(...made);
    fill(others, made.map((f) => f.element));
  }

  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const send = h("button", { type: "submit", class: danger ? "danger" : "primary" }, verb);
  const asker = {
    open: () => dialog.open,
    close: () => dialog.close(),
    say(words) {
      problem.hidden = false;
      fill(problem, words);
    },
  };
  const form = h(
    "form",
    {
      async onsubmit(e) {
        e.preventDefault();
        problem.hidden = true;
        send.disabled = true;
        await submit(valuesOf(fields), asker);
        send.disabled = false;
      },
    },
    note ? h("p", {}, note) : null,
    h("div", { class: fields.length > 5 ? "fields two" : "fields" }, fields.map((f) => f.element)),
    more,
    problem,
    h(
      "div",
      { class: "row end" },
      h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
      send,
    ),
  );
  const dialog = openDialog(title, form);
  (form.querySelector("input, select, textarea") ?? form.querySelector("button[type=submit]")).focus();
}

/** Return the parameters that the fields hold. */
export function valuesOf(fields) {
  const found = {};
  for (const f of fields) Object.assign(found, f.values());
  return found;
}

/** Return a field for a parameter: ``{element, values}``. */
export function field(p, { asked = true, needed = false, options, pick, label, help: says } = {}) {
  const source = options ? null : (pick ?? sourceOf(p));
  const must = p.required || needed;
  const id = freshId();
  const help = h("small", { id: `${id}-help` }, says ?? helpOf(p));
  const common = { id, name: p.name, required: must, "aria-describedby": `${id}-help` };
  const name = label ?? nameOf(p, source);
  const wrap = (control) =>
    h("div", { class: "field" }, h("label", { for: id, title: p.name }, name, must ? h("span", { class: "must" }, " required") : null), control, help);
  const plain = (control, read = (text) => text) => ({
    element: wrap(control),
    values: () => (control.value === "" ? {} : { [p.name]: read(control.value) }),
  });

  if (source && p.type === "list") return many(p, source, name, help);
  if (source) return plain(choose(source, common, must));
  if (options) return plain(select(common, options.map((o) => (Array.isArray(o) ? o : [o, o])), must));
  if (p.type === "boolean" && asked) {
    const box = h("input", { ...common, type: "checkbox", required: false });
    const element = h("div", { class: "field tick" }, h("label", { for: id, title: p.name }, box, name), help);
    return { element, values: () => (box.checked ? { [p.name]: "true" } : {}) };
  }
  if (p.type === "boolean") return plain(select(common, [["true", "yes"], ["false", "no"]], must));
  if (p.type === "integer") return plain(h("input", { ...common, type: "number", step: 1 }));
  if (p.type === "map") {
    const area = h("textarea", { ...common, rows: 2, class: "mono", placeholder: "name=value, one per line" });
    return { element: wrap(area), values: () => pairs(p.name, area.value) };
  }
  if (LONG.has(p.name)) {
    return plain(h("textarea", { ...common, rows: 5, class: "mono", spellcheck: "false" }), (text) => (IN_BASE64.has(p.name) ? base64(text) : text));
  }
  const type = p.name.includes("password") ? "password" : "text";
  return plain(h("input", { ...common, type, maxlength: p.length, autocomplete: type === "password" ? "new-password" : "off", spellcheck: "false" }));
}

/** A word for a parameter; one that nobody has found a word for shows its own name. */
function nameOf(p, source) {
  const word = WORDS[p.name] ?? (source && p.type !== "list" ? source.noun.one : p.name);
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** What listApis says, where this page does not do it itself. */
function helpOf(p) {
  return IN_BASE64.has(p.name) ? "as it is; the page encodes it" : p.description;
}

/** Where a uuid parameter's choices come from: the first list command that listApis relates to it. */
function sourceOf(p) {
  const command = (p.related ?? "").split(",").find((name) => name.startsWith("list"));
  const noun = command ? nounOfList(command) : null;
  return noun ? { noun } : null;
}

async function optionsOf(source) {
  const { noun, value = "id", params = {} } = source;
  const { rows } = await list(noun.list, noun.row, { ...noun.params, ...params });
  return rows.map((row) => [row[value], [noun.name(row), noun.hint?.(row)].filter(Boolean).join(" – ")]);
}

function select(common, choices, must) {
  const made = h("select", common, choices.map(([value, text]) => h("option", { value }, text)));
  if (!must) made.prepend(h("option", { value: "" }, "–"));
  if (!must) made.value = "";
  return made;
}

function choose(source, common, must) {
  const made = h("select", common, h("option", { value: "" }, "…"));
  optionsOf(source).then(
    (choices) => {
      fill(made, choices.map(([value, text]) => h("option", { value }, text)));
      if (!must || !choices.length) made.prepend(h("option", { value: "" }, choices.length ? "–" : "none there"));
      made.selectedIndex = 0;
    },
    (e) => fill(made, h("option", { value: "" }, e.message)),
  );
  return made;
}

function many(p, source, name, help) {
  const boxes = h("div", { class: "boxes" }, "…");
  optionsOf(source).then(
    (choices) =>
      fill(
        boxes,
        choices.length
          ? choices.map(([value, text]) => h("label", {}, h("input", { type: "checkbox", value }), text))
          : h("span", { class: "dim" }, "none there"),
      ),
    (e) => fill(boxes, e.message),
  );
  return {
    element: h("fieldset", { class: "field" }, h("legend", {}, name), boxes, help),
    values() {
      const chosen = [...boxes.querySelectorAll("input:checked")].map((box) => box.value);
      return chosen.length ? { [p.name]: chosen.join(",") } : {};
    },
  };
}

function pairs(name, text) {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line.includes("="));
  return Object.fromEntries(lines.map((line) => {
    const cut = line.indexOf("=");
    return [`${name}[0].${line.slice(0, cut).trim()}`, line.slice(cut + 1).trim()];
  }));
}
