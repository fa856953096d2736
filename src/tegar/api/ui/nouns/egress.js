export default {
  key: "egress",
  title: "Egress rules",
  one: "egress rule",
  list: "listEgressFirewallRules",
  row: "firewallrule",
  params: { listall: "true" },
  name: (row) => `${row.protocol} ${row.startport ?? ""}`,
  state: (row) => row.state,
  columns: [
    { title: "Protocol", of: (row) => row.protocol, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Ports", of: (row) => [row.startport, row.endport].filter((p) => p !== undefined).join("–") },
    { title: "From", of: (row) => row.cidrlist, kind: "mono" },
    { title: "To", of: (row) => row.destcidrlist, kind: "mono" },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  creates: [
    { command: "createEgressFirewallRule", title: "Add egress rule", asks: ["networkid", "protocol", "startport", "endport", "cidrlist", "destcidrlist"], options: { protocol: ["tcp", "udp", "icmp", "all"] } },
  ],
  actions: [{ command: "deleteEgressFirewallRule", title: "Delete", sends: { id: "id" }, danger: true }],
};
