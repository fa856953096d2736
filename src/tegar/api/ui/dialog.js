// Modal dialogs: the browser's own, which keep the focus and close by Escape.

import { h, freshId } from "./dom.js";

/** Show content in a modal dialog; returns the dialog.  It is removed when it closes. */
export function openDialog(title, ...content) {
  const id = freshId();
  const dialog = h("dialog", { "aria-labelledby": id }, h("h2", { id }, title), ...content);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Show secrets that the API tells only once. */
export function reveal(title, fields) {
  const shown = fields.map(([name, value]) => {
    const area = h("textarea", { readonly: true, rows: Math.min(12, value.split("\n").length + 1), class: "mono", value });
    const copy = h("button", { type: "button", onclick: () => navigator.clipboard?.writeText(value) }, "Copy");
    return h("div", { class: "field" }, h("label", {}, name, area), copy);
  });
  const close = h("button", { type: "button", class: "primary", onclick: () => dialog.close() }, "I have kept it");
  const dialog = openDialog(title, h("p", {}, "Keep this in a safe place."), shown, h("div", { class: "row end" }, close));
}
