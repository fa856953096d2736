// One menu for the whole page, filled when it opens, so that it never offers what was possible a minute ago.

import { h, fill } from "./dom.js";

const menu = h("div", { class: "menu", popover: "auto", role: "menu" });
let opener = null;

/** Open the menu at a button; items are ``{title, danger, run}``. */
export function openMenu(button, items) {
  if (!menu.isConnected) document.body.append(menu);
  opener = button;
  fill(
    menu,
    items.length ? items.map(entry) : h("p", { class: "dim" }, "Nothing can be done in this state."),
  );
  menu.showPopover();
  const at = button.getBoundingClientRect();
  const room = window.innerHeight - at.bottom;
  menu.style.left = `${Math.max(8, at.right - menu.offsetWidth)}px`;
  menu.style.top = `${room > menu.offsetHeight + 8 ? at.bottom + 2 : Math.max(8, at.top - menu.offsetHeight - 2)}px`;
  menu.querySelector("button")?.focus();
}

function entry(item) {
  return h(
    "button",
    {
      type: "button",
      role: "menuitem",
      class: item.danger ? "danger" : null,
      onclick() {
        menu.hidePopover();
        opener?.focus();
        item.run();
      },
    },
    item.title,
  );
}

menu.addEventListener("keydown", (e) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
  if (!step) return;
  e.preventDefault();
  const all = [...menu.querySelectorAll("button")];
  all[(all.indexOf(document.activeElement) + step + all.length) % all.length]?.focus();
});
