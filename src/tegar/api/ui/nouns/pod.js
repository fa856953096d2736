export default {
  key: "pod",
  title: "Pods",
  one: "pod",
  list: "listPods",
  row: "pod",
  params: {},
  name: (row) => row.name,
  state: (row) => row.allocationstate,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "Allocation", of: (row) => row.allocationstate, kind: "state" },
    { title: "Gateway", of: (row) => row.gateway, kind: "mono" },
    { title: "Netmask", of: (row) => row.netmask, kind: "mono" },
    { title: "Zone", of: (row) => row.zonename, to: (row) => `#/zone/${row.zoneid}` },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  related: [
    { noun: "cluster", by: "podid" },
    { noun: "host", by: "podid" },
  ],
  creates: [
    { command: "createPod", title: "Create pod", asks: ["name", "zoneid", "gateway", "netmask", "startip", "endip"] },
  ],
  actions: [
    { command: "deletePod", title: "Delete", sends: { id: "id" }, danger: true },
  ],
};
