export default {
  key: "cluster",
  title: "Clusters",
  one: "cluster",
  list: "listClusters",
  row: "cluster",
  params: {},
  name: (row) => row.name,
  hint: (row) => row.hypervisortype,
  state: (row) => row.allocationstate,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "Allocation", of: (row) => row.allocationstate, kind: "state" },
    { title: "Hypervisor", of: (row) => row.hypervisortype },
    { title: "CPU overcommit", of: (row) => row.cpuovercommitratio, kind: "number" },
    { title: "Memory overcommit", of: (row) => row.memoryovercommitratio, kind: "number" },
    { title: "Pod", of: (row) => row.podname, to: (row) => `#/pod/${row.podid}` },
    { title: "Zone", of: (row) => row.zonename, to: (row) => `#/zone/${row.zoneid}` },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  related: [
    { noun: "host", by: "clusterid" },
    { noun: "vm", by: "clusterid" },
  ],
  creates: [
    { command: "addCluster", title: "Add cluster", fixed: { clustertype: "CloudManaged" }, asks: ["clustername", "hypervisor", "zoneid", "podid"], options: { hypervisor: ["KVM", "Simulator"] } },
  ],
  actions: [
    { command: "enableHAForCluster", title: "Arm HA", sends: { clusterid: "id" } },
    { command: "disableHAForCluster", title: "Disarm HA", sends: { clusterid: "id" }, danger: true, note: "No failure of its hosts is answered until it is armed again." },
    { command: "deleteCluster", title: "Delete", sends: { id: "id" }, danger: true },
  ],
};
