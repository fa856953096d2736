import { bytes, when, yes } from "../format.js";
import zone from "./zone.js";

const status = (row) => (row.isready ? "Ready" : (row.status ?? "Fetching"));

export default {
  key: "template",
  title: "Templates",
  one: "template",
  list: "listTemplates",
  row: "template",
  params: { templatefilter: "executable", listall: "true" },
  name: (row) => row.name,
  hint: (row) => row.displaytext,
  state: status,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "State", of: status, kind: "state" },
    { title: "Description", of: (row) => row.displaytext },
    { title: "System", of: (row) => row.ostypename },
    { title: "Format", of: (row) => row.format },
    { title: "Size", of: (row) => bytes(row.size), by: (row) => row.size, kind: "number" },
    { title: "Public", of: (row) => yes(row.ispublic) },
    { title: "Account", of: (row) => row.account },
    { title: "Created", of: (row) => when(row.created), kind: "moment" },
  ],
  more: [
    { title: "What the fetch says", of: (row) => row.status },
    { title: "From", of: (row) => row.url, kind: "mono" },
    { title: "Checksum", of: (row) => row.checksum, kind: "mono" },
    { title: "Takes on disk", of: (row) => bytes(row.physicalsize) },
    { title: "Hypervisor", of: (row) => row.hypervisor },
    { title: "Featured", of: (row) => yes(row.isfeatured) },
    { title: "Zone", of: (row) => row.zonename },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  related: [
    { noun: "vm", by: "templateid", without: ["Template"] },
    { noun: "event", by: "resourceid", limit: 20 },
  ],
  creates: [
    { command: "registerTemplate", title: "Register template", asks: ["name", "displaytext", "url", "format", "hypervisor", "zoneid", "ostypeid", "ispublic"], needs: ["zoneid"], options: { format: ["QCOW2", "RAW"], hypervisor: ["KVM", "Simulator"] }, picks: () => ({ zoneid: { noun: zone } }) },
  ],
  actions: [
    { command: "deleteTemplate", title: "Delete", sends: { id: "id" }, danger: true, bulk: true, note: "Instances that were made from it keep running." },
  ],
};
