export default {
  key: "domain",
  title: "Domains",
  one: "domain",
  list: "listDomains",
  row: "domain",
  params: { listall: "true" },
  name: (row) => row.path ?? row.name,
  state: (row) => row.state,
  columns: [
    { title: "Path", of: (row) => row.path ?? row.name, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Level", of: (row) => row.level, kind: "number" },
    { title: "Domain of names", of: (row) => row.networkdomain, kind: "mono" },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  related: [
    { noun: "account", by: "domainid" },
    { noun: "user", by: "domainid" },
  ],
  creates: [
    { command: "createDomain", title: "Create domain", asks: ["name", "parentdomainid"] },
  ],
};
