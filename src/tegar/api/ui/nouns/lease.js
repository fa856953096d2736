import { when } from "../format.js";

export default {
  key: "lease",
  title: "Leases of hosts",
  one: "lease",
  many: "leases",
  list: "listHighAvailability",
  row: "highavailability",
  idField: "hostid",
  params: {},
  name: (row) => row.hostname,
  state: (row) => row.hastate,
  columns: [
    { title: "Host", of: (row) => row.hostname, to: (row) => `#/host/${row.hostid}` },
    { title: "State", of: (row) => row.hastate, kind: "state" },
    { title: "Epoch", of: (row) => row.epoch, kind: "number" },
    { title: "Dead after, s", of: (row) => row.deadafter?.toFixed(2), kind: "number" },
    { title: "Since", of: (row) => when(row.since), kind: "moment" },
    { title: "False alarms", of: (row) => row.flaps, kind: "number" },
    { title: "Quarantined until", of: (row) => when(row.quarantineduntil), kind: "moment" },
    { title: "Cluster", of: (row) => row.clustername, to: (row) => `#/cluster/${row.clusterid}` },
  ],
  actions: [
    { command: "enableHAForHost", title: "Enable HA", sends: { hostid: "hostid" }, when: (row) => !row.haenable },
    { command: "disableHAForHost", title: "Disable HA", sends: { hostid: "hostid" }, danger: true, when: (row) => row.haenable, note: "Its failure is not answered any more, and no VM of another host is restarted on it." },
  ],
};
