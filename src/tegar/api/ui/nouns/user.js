import { when } from "../format.js";

export default {
  key: "user",
  title: "Users",
  one: "user",
  list: "listUsers",
  row: "user",
  params: { listall: "true" },
  name: (row) => row.username,
  state: (row) => row.state,
  columns: [
    { title: "Name", of: (row) => row.username, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "First name", of: (row) => row.firstname },
    { title: "Last name", of: (row) => row.lastname },
    { title: "E-mail", of: (row) => row.email },
    { title: "Account", of: (row) => row.account },
    { title: "Role", of: (row) => row.rolename },
    { title: "Created", of: (row) => when(row.created), kind: "moment" },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  creates: [
    { command: "createUser", title: "Create user", asks: ["account", "username", "password", "email", "firstname", "lastname"] },
  ],
  actions: [
    { command: "getUserKeys", title: "Show API keys", sends: { id: "id" }, instant: true, reveals: ["apikey", "secretkey"] },
    { command: "registerUserKeys", title: "Make new API keys", sends: { id: "id" }, danger: true, reveals: ["apikey", "secretkey"], note: "The old keys stop working at once." },
  ],
};
