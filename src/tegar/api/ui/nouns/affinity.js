export default {
  key: "affinity",
  title: "Affinity groups",
  one: "affinity group",
  list: "listAffinityGroups",
  row: "affinitygroup",
  params: { listall: "true" },
  name: (row) => row.name,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "Type", of: (row) => row.type },
    { title: "Instances", of: (row) => (row.virtualmachineIds || []).length },
    { title: "Account", of: (row) => row.account },
    { title: "Domain", of: (row) => row.domain },
  ],
  more: [
    { title: "Description", of: (row) => row.description },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  creates: [
    { command: "createAffinityGroup", title: "Add affinity group", asks: ["name", "type", "description"], options: { type: ["host anti-affinity", "host affinity", "non-strict host anti-affinity", "non-strict host affinity"] } },
  ],
  actions: [
    { command: "deleteAffinityGroup", title: "Delete", sends: { id: "id" }, danger: true, note: "Its instances stay where they are." },
  ],
};
