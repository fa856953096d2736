// Signing in.

import { signIn } from "../client.js";
import { fill, h } from "../dom.js";

/** Show the form; ``done`` is called when somebody is signed in. */
export function loginPage(root, words, done) {
  document.title = "Sign in · Tegar";
  const problem = h("p", { class: "problem", role: "alert", hidden: !words }, words);
  const username = h("input", { id: "username", name: "username", autocomplete: "username", required: true, spellcheck: "false", autocapitalize: "none" });
  const password = h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true });
  const domain = h("input", { id: "domain", name: "domain", placeholder: "/", spellcheck: "false" });
  const button = h("button", { type: "submit", class: "primary" }, "Sign in");

  async function submit(e) {
    e.preventDefault();
    button.disabled = true;
    try {
      await signIn(username.value, password.value, domain.value);
      done();
    } catch (failure) {
      problem.hidden = false;
      fill(problem, failure.message);
      password.select();
    }
    button.disabled = false;
  }

  fill(
    root,
    h(
      "main",
      { class: "login" },
      h(
        "form",
        { onsubmit: submit },
        h("div", { class: "brand" }, h("img", { src: "icon.svg", alt: "", width: 36, height: 36 }), h("h1", {}, "Tegar")),
        problem,
        h("div", { class: "field" }, h("label", { for: "username" }, "User name"), username),
        h("div", { class: "field" }, h("label", { for: "password" }, "Password"), password),
        h("details", {}, h("summary", {}, "In another domain"), h("div", { class: "field" }, h("label", { for: "domain" }, "Domain"), domain)),
        button,
      ),
    ),
  );
  username.focus();
}
