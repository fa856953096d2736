export default {
  key: "zone",
  title: "Zones",
  one: "zone",
  list: "listZones",
  row: "zone",
  params: {},
  name: (row) => row.name,
  state: (row) => row.allocationstate,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "Allocation", of: (row) => row.allocationstate, kind: "state" },
    { title: "Networks", of: (row) => row.networktype },
    { title: "DNS", of: (row) => [row.dns1, row.dns2].filter(Boolean).join(", "), kind: "mono" },
    { title: "Domain", of: (row) => row.domain, kind: "mono" },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  related: [
    { noun: "host", by: "zoneid" },
    { noun: "network", by: "zoneid" },
    { noun: "pool", by: "zoneid" },
  ],
  actions: [
    { command: "updateZone", title: "Disable", sends: { id: "id" }, fixed: { allocationstate: "Disabled" }, when: (row) => row.allocationstate === "Enabled", note: "Nothing new is deployed in a disabled zone, except by administrators." },
    { command: "updateZone", title: "Enable", sends: { id: "id" }, fixed: { allocationstate: "Enabled" }, instant: true, when: (row) => row.allocationstate === "Disabled" },
    { command: "updateZone", title: "Change", sends: { id: "id" }, asks: ["name", "dns1", "dns2", "domain"] },
  ],
};
