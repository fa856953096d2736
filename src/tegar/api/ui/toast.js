// What became of what one asked for: a small card that follows the work.

import { h, fill } from "./dom.js";

const STAYS_MS = 4000;

/** Show a card; returns ``{say, done, failed, remove}``.  A failure stays until it is dismissed. */
export function toast(title) {
  const text = h("p", {}, "Asking…");
  const close = h("button", { type: "button", class: "quiet", "aria-label": "Dismiss", onclick: () => card.remove() }, "×");
  const card = h("div", { class: "toast busy" }, h("div", { class: "toast-head" }, h("strong", {}, title), close), text);
  document.getElementById("toasts").append(card);

  function end(kind, words) {
    card.className = `toast ${kind}`;
    fill(text, words);
  }

  return {
    say: (words) => fill(text, words),
    remove: () => card.remove(),
    done(words = "Done") {
      end("good", words);
      setTimeout(() => card.remove(), STAYS_MS);
    },
    failed(words) {
      end("bad", words);
      card.setAttribute("role", "alert");
    },
  };
}
