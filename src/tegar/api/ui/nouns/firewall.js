export default {
  key: "firewall",
  title: "Firewall rules",
  one: "firewall rule",
  list: "listFirewallRules",
  row: "firewallrule",
  params: { listall: "true" },
  name: (row) => `${row.protocol} ${row.startport ?? ""}`,
  state: (row) => row.state,
  columns: [
    { title: "Protocol", of: (row) => row.protocol, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Address", of: (row) => row.ipaddress, to: (row) => `#/address/${row.ipaddressid}`, kind: "mono" },
    { title: "Ports", of: (row) => [row.startport, row.endport].filter((p) => p !== undefined).join("–") },
    { title: "ICMP", of: (row) => [row.icmptype, row.icmpcode].filter((n) => n !== undefined).join("/") },
    { title: "From", of: (row) => row.cidrlist, kind: "mono" },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  creates: [
    { command: "createFirewallRule", title: "Open", asks: ["ipaddressid", "protocol", "startport", "endport", "cidrlist"], options: { protocol: ["tcp", "udp", "icmp", "all"] } },
  ],
  actions: [{ command: "deleteFirewallRule", title: "Close", sends: { id: "id" }, danger: true }],
};
