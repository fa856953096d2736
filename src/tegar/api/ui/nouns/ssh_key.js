export default {
  key: "ssh_key",
  title: "SSH keys",
  one: "SSH key",
  list: "listSSHKeyPairs",
  row: "sshkeypair",
  params: { listall: "true" },
  name: (row) => row.name,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "Fingerprint", of: (row) => row.fingerprint, kind: "mono" },
    { title: "Account", of: (row) => row.account },
    { title: "Domain", of: (row) => row.domain },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  creates: [
    { command: "registerSSHKeyPair", title: "Register public key", asks: ["name", "publickey"] },
    { command: "createSSHKeyPair", title: "Make a pair", quiet: true, asks: ["name"], reveals: ["privatekey"], note: "The private key is shown once." },
  ],
  actions: [
    { command: "deleteSSHKeyPair", title: "Delete", sends: { name: "name", account: "account", domainid: "domainid" }, danger: true, note: "Instances that were given it keep it." },
  ],
};
