// The shell: who is signed in, what is at the side, which page is shown.

import { banner } from "./banner.js";
import { learn, may, signOut, who, whenSignedOut } from "./client.js";
import { nounDetail } from "./detail.js";
import { fill, h } from "./dom.js";
import { GROUPS, nounNamed } from "./nouns/table.js";
import { dashboard } from "./pages/dashboard.js";
import { deployPage } from "./pages/deploy.js";
import { loginPage } from "./pages/login.js";
import { nounTable } from "./table.js";

const root = document.getElementById("app");
const main = h("main", { id: "main", tabindex: "-1" });
let current = null;
let warning = null;

function leave() {
  current?.stop();
  current = null;
  document.querySelectorAll("dialog").forEach((d) => d.close());
}

/** Return what a place in the page shows: ``#/vm``, ``#/vm/<id>``, ``#/deploy``, ``#/``. */
function pageAt(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const [key, id] = path.split("/").map(decodeURIComponent);
  if (key === "deploy" && may("deployVirtualMachine")) return deployPage();
  const noun = nounNamed(key);
  if (!noun || !may(noun.list)) return dashboard();
  if (id) return nounDetail(noun, id);
  return nounTable(noun, { filter: new URLSearchParams(query).get("filter") ?? "" });
}

function go() {
  if (!who()) return;
  leave();
  const key = location.hash.replace(/^#\/?/, "").split(/[/?]/)[0];
  const noun = nounNamed(key);
  document.title = `${noun && may(noun.list) ? noun.title : "Dashboard"} · Tegar`;
  current = pageAt(location.hash);
  fill(main, current.element);
  if (document.activeElement === document.body) main.focus({ preventScroll: true });
  for (const a of root.querySelectorAll("nav a")) {
    if (a.dataset.key === (key === "deploy" ? "vm" : key)) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
}

function side() {
  const link = (key, title) => h("li", {}, h("a", { href: `#/${key}`, "data-key": key }, title));
  const groups = GROUPS.map(([title, nouns]) => [title, nouns.filter((noun) => may(noun.list))]).filter(([, nouns]) => nouns.length);
  return h(
    "nav",
    { "aria-label": "Main" },
    h("a", { class: "brand", href: "#/", "data-key": "brand" }, h("img", { src: "icon.svg", alt: "", width: 24, height: 24 }), "Tegar"),
    h("ul", {}, link("", "Dashboard")),
    groups.map(([title, nouns]) => [h("h2", {}, title), h("ul", {}, nouns.map((noun) => link(noun.key, noun.title)))]),
    h("div", { class: "me" }, h("span", { title: who().isAdmin ? "an administrator" : `of account ${who().account}` }, who().username), h("button", { type: "button", class: "quiet", onclick: leaveForGood }, "Sign out")),
  );
}

async function leaveForGood() {
  await signOut();
  ask("");
}

function ask(words) {
  leave();
  warning?.stop();
  warning = null;
  document.getElementById("toasts").replaceChildren();
  loginPage(root, words, show);
}

function show() {
  warning?.stop();
  warning = banner();
  fill(root, h("a", { class: "skip", href: "#main", onclick: skip }, "Skip to content"), h("div", { class: "shell" }, side(), h("div", { class: "page" }, warning.element, main)));
  go();
}

function skip(e) {
  e.preventDefault();
  main.focus();
}

document.addEventListener("keydown", (e) => {
  const typing = e.target.closest?.("input, textarea, select, dialog");
  if (e.key !== "/" || typing || e.ctrlKey || e.metaKey || e.altKey) return;
  const find = document.querySelector(".find");
  if (!find) return;
  e.preventDefault();
  find.focus();
});
window.addEventListener("hashchange", go);
whenSignedOut(ask);

if (who()) learn().then(show, (e) => ask(who() ? e.message : "Please sign in again."));
else ask("");
