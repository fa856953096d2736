export default {
  key: "setting",
  title: "Settings",
  one: "setting",
  list: "listConfigurations",
  row: "configuration",
  idField: "name",
  params: {},
  name: (row) => row.name,
  columns: [
    { title: "Name", of: (row) => row.name, own: true, kind: "mono" },
    { title: "Value", of: (row) => row.value, kind: "mono" },
    { title: "Default", of: (row) => row.defaultvalue, kind: "mono" },
    { title: "What it decides", of: (row) => row.description },
    { title: "Scope", of: (row) => row.scope },
  ],
  actions: [
    { command: "updateConfiguration", title: "Change", sends: { name: "name" }, asks: ["value"], needs: ["value"] },
  ],
};
