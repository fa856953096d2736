// Deploying an instance: everything has a sensible default, so that Enter is enough.

import { api, list, perform } from "../client.js";
import { fill, freshId, h } from "../dom.js";
import { field, valuesOf } from "../form.js";
import { mebibytes, megahertz } from "../format.js";
import { changed } from "../refresh.js";
import { nounNamed } from "../nouns/table.js";
import { toast } from "../toast.js";

const BY_CARD = ["zoneid", "templateid", "serviceofferingid", "networkids"];
const ASKED = ["name", "keypairs", "userdata", "rootdisksize", "diskofferingid", "size", "startvm", "hostid"];
const NOT_HERE = ["keypair", "iptonetworklist", "affinitygroupnames", "securitygroupnames", "hypervisor", "account", "domainid"];

/** Show the form; returns ``{element, stop}``. */
export function deployPage() {
  document.title = "Deploy instance · Tegar";
  const form = h("form", { class: "deploy", onsubmit: submit });
  const element = h("section", { class: "noun" }, h("p", { class: "crumbs" }, h("a", { href: "#/vm" }, "Instances")), h("h1", {}, "Deploy instance"), form);
  const fields = [];
  const summary = h("p", { class: "summary", "aria-live": "polite" });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const custom = h("div", { class: "fields", hidden: true });
  const groups = { template: cards("template", "radio"), offering: cards("offering", "radio"), network: cards("network", "checkbox") };
  const zone = h("select", { name: "zoneid", id: freshId(), required: true, onchange: () => inZone() });
  const found = { offerings: [], templates: [], networks: [] };

  async function begin() {
    try {
      const zones = (await list("listZones", "zone", { available: "true" })).rows;
      fill(zone, zones.map((z) => h("option", { value: z.id }, z.name)));
      const open = zones.find((z) => z.allocationstate === "Enabled");
      if (open) zone.value = open.id;
      if (!zones.length) throw new Error("There is no zone to deploy in yet");
      build(zones.length > 1);
      await inZone();
    } catch (e) {
      fill(form, h("p", { class: "problem", role: "alert" }, e.message));
    }
  }

  async function inZone() {
    const [templates, offerings, networks] = await Promise.all([
      list("listTemplates", "template", { templatefilter: "executable", zoneid: zone.value, listall: "true" }),
      list("listServiceOfferings", "serviceoffering", { zoneid: zone.value }),
      list("listNetworks", "network", { zoneid: zone.value, canusefordeploy: "true", listall: "true" }),
    ]);
    Object.assign(found, { templates: templates.rows.filter((t) => t.isready), offerings: offerings.rows, networks: networks.rows });
    groups.template.show(found.templates.map((t) => [t.id, t.name, [t.displaytext, t.ostypename]]), "No template is ready in this zone.");
    groups.offering.show(
      found.offerings.map((o) => [o.id, o.name, [o.iscustomized ? "choose CPUs and memory" : `${o.cpunumber} × ${megahertz(o.cpuspeed)}, ${mebibytes(o.memory)}`]]),
      "There is no compute offering.",
    );
    groups.network.show(found.networks.map((n) => [n.id, n.name, [[n.type, n.cidr].filter(Boolean).join(", ")]]), "There is no network to use.");
    tell();
  }

  function build(manyZones) {
    const params = new Map(api("deployVirtualMachine").params.map((p) => [p.name, p]));
    const make = (name, given) => {
      if (!params.has(name)) return null;
      const made = field(params.get(name), given);
      fields.push(made);
      return made.element;
    };
    const rest = [...params.keys()].filter((name) => ![...BY_CARD, ...ASKED, ...NOT_HERE, "details"].includes(name));
    const more = h("div", { class: "fields" });
    fill(
      form,
      h("div", { class: "fields" },
        make("name", { label: "Name", help: "its host name too; without one the cloud makes one up" }),
        h("div", { class: "field", hidden: !manyZones }, h("label", { for: zone.id }, "Zone"), zone)),
      groups.template.element,
      groups.offering.element,
      custom,
      groups.network.element,
      h("div", { class: "fields two" },
        make("keypairs", { label: "SSH keys", pick: { noun: nounNamed("ssh_key"), value: "name" }, help: "who may sign in with which key; add more under SSH keys" }),
        make("userdata", { label: "User data", help: "for cloud-init: a script, or #cloud-config" })),
      h("details", {}, h("summary", {}, "Disks"), h("div", { class: "fields" },
        make("rootdisksize", { label: "Root disk, GB" }), make("diskofferingid", { label: "Data disk" }), make("size", { label: "Data disk, GB" }))),
      h("details", {}, h("summary", {}, "Placement and more"), more),
      problem,
      h("div", { class: "row end sticky" }, summary, h("a", { class: "button", href: "#/vm" }, "Cancel"), h("button", { type: "submit", class: "primary" }, "Deploy")),
    );
    fill(custom, customFields());
    fill(more, make("hostid", { label: "Host" }), make("startvm", { asked: false, label: "Start it" }), rest.map((name) => make(name, { asked: false })));
    form.addEventListener("change", tell);
    form.querySelector("input").focus();
  }

  function customFields() {
    return [["cpuNumber", "CPUs", 1], ["cpuSpeed", "CPU speed, MHz", 1000], ["memory", "Memory, MB", 512]].map(([key, title, value]) => {
      const id = freshId();
      return h("div", { class: "field" }, h("label", { for: id }, title), h("input", { id, type: "number", min: 1, value, "data-detail": key }));
    });
  }

  function tell() {
    const offering = found.offerings.find((o) => o.id === groups.offering.chosen()[0]);
    const template = found.templates.find((t) => t.id === groups.template.chosen()[0]);
    const networks = groups.network.chosen().map((id) => found.networks.find((n) => n.id === id)?.name);
    custom.hidden = !offering?.iscustomized;
    fill(summary, [template?.name, offering?.name, networks.join(" + ")].filter(Boolean).join(" · "));
  }

  function details() {
    if (custom.hidden) return {};
    const offering = found.offerings.find((o) => o.id === groups.offering.chosen()[0]);
    const inputs = [...custom.querySelectorAll("input")].filter((i) => i.dataset.detail !== "cpuSpeed" || !offering.cpuspeed);
    return Object.fromEntries(inputs.map((i) => [`details[0].${i.dataset.detail}`, i.value]));
  }

  async function submit(e) {
    e.preventDefault();
    const asked = { ...valuesOf(fields), ...details() };
    const button = form.querySelector("button[type=submit]");
    const card = toast(`Deploy ${asked.name ?? "instance"}`);
    button.disabled = true;
    try {
      const result = await perform(
        "deployVirtualMachine",
        {
          zoneid: zone.value,
          templateid: groups.template.chosen()[0],
          serviceofferingid: groups.offering.chosen()[0],
          networkids: groups.network.chosen().join(",") || null,
          ...asked,
        },
        () => {
          card.say("In progress…");
          if (element.isConnected) location.hash = "#/vm";
        },
      );
      const vm = result.virtualmachine;
      card.done(`${vm.name} is ${vm.state}${vm.password ? `, password ${vm.password}` : ""}`);
    } catch (failure) {
      card.failed(failure.message);
      problem.hidden = false;
      fill(problem, failure.message);
    }
    button.disabled = false;
    changed();
  }

  begin();
  return { element, stop() {} };
}

/** A group of things to choose from, shown as cards; the first is chosen at the beginning. */
function cards(name, type) {
  const box = h("div", { class: "cards" });
  const title = { template: "Template", offering: "Size", network: "Networks, the first chosen is the default" }[name];
  const order = [];

  function note(e) {
    if (type === "radio") return;
    const at = order.indexOf(e.target.value);
    if (at >= 0) order.splice(at, 1);
    if (e.target.checked) order.push(e.target.value);
  }

  return {
    element: h("fieldset", {}, h("legend", {}, title), box),
    chosen: () => (type === "radio" ? [...box.querySelectorAll("input:checked")].map((i) => i.value) : [...order]),
    show(rows, nothing) {
      order.splice(0, order.length, ...(rows.length ? [rows[0][0]] : []));
      fill(
        box,
        rows.length
          ? rows.map(([id, text, lines], i) =>
              h("label", { class: "card" },
                h("input", { type, name: `card-${name}`, value: id, checked: i === 0, required: type === "radio", onchange: note }),
                h("span", {}, h("strong", {}, text), lines.filter(Boolean).map((line) => h("small", {}, line)))))
          : h("p", { class: "dim" }, nothing),
      );
    },
  };
}
