import { when } from "../format.js";

export default {
  key: "server",
  title: "Management servers",
  one: "management server",
  list: "listManagementServers",
  row: "managementserver",
  params: {},
  name: (row) => row.name,
  state: (row) => row.state,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Leads", of: (row) => (row.leads || []).join(", ") },
    { title: "Jobs under way", of: (row) => row.pendingjobscount, kind: "number" },
    { title: "Address", of: (row) => row.serviceip, kind: "mono" },
    { title: "Version", of: (row) => row.version },
    { title: "Started", of: (row) => when(row.lastserverstart), kind: "moment" },
    { title: "Ended", of: (row) => when(row.lastserverstop), kind: "moment" },
  ],
  more: [
    { title: "System", of: (row) => [row.osdistribution, row.kernelversion].filter(Boolean).join(", ") },
    { title: "Machine started", of: (row) => when(row.lastboottime), kind: "moment" },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  actions: [
    { command: "prepareForShutdown", title: "Prepare for shutdown", sends: { managementserverid: "id" }, danger: true, when: (row) => row.state === "Up", note: "It finishes what it has under way and takes up nothing more. The other servers go on." },
    { command: "cancelShutdown", title: "Cancel shutdown", sends: { managementserverid: "id" }, when: (row) => ["PreparingForShutDown", "ReadyToShutDown"].includes(row.state) },
    { command: "triggerShutdown", title: "Shut down", sends: { managementserverid: "id" }, danger: true, when: (row) => ["Up", "PreparingForShutDown", "ReadyToShutDown"].includes(row.state), note: "It ends by itself as soon as it has finished what it has under way. It must be started again on its machine." },
  ],
};
