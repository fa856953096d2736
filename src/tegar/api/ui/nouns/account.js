export default {
  key: "account",
  title: "Accounts",
  one: "account",
  list: "listAccounts",
  row: "account",
  params: { listall: "true" },
  name: (row) => row.name,
  hint: (row) => row.domainpath,
  state: (row) => row.state,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Role", of: (row) => row.rolename },
    { title: "Domain", of: (row) => row.domainpath },
    { title: "Instances", of: (row) => row.vmtotal, kind: "number" },
    { title: "Running", of: (row) => row.vmrunning, kind: "number" },
    { title: "Volumes", of: (row) => row.volumetotal, kind: "number" },
    { title: "Networks", of: (row) => row.networktotal, kind: "number" },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  parts: [
    {
      title: "Users",
      of: (row) => row.user,
      columns: [
        { title: "Name", of: (u) => u.username, to: (u) => `#/user/${u.id}` },
        { title: "State", of: (u) => u.state, kind: "state" },
        { title: "E-mail", of: (u) => u.email },
      ],
    },
  ],
  creates: [
    { command: "createAccount", title: "Create account", asks: ["username", "password", "email", "firstname", "lastname", "domainid"] },
  ],
};
