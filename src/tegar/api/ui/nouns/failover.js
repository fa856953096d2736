export default {
  key: "failover",
  title: "What if",
  one: "loss",
  many: "losses",
  list: "checkHighAvailability",
  row: "highavailabilitycheck",
  params: {},
  name: (row) => row.hostname || row.clustername,
  columns: [
    { title: "Cluster", of: (row) => row.clustername, to: (row) => `#/cluster/${row.clusterid}` },
    { title: "If lost", of: (row) => row.hostname || `any ${row.tolerated}`, to: (row) => (row.hostid ? `#/host/${row.hostid}` : null) },
    { title: "Survives", of: (row) => (row.survivable ? "yes" : "no") },
    { title: "Would be restarted", of: (row) => (row.virtualmachine || []).length, kind: "number" },
    { title: "Why not", of: (row) => row.reason },
  ],
};
