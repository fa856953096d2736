export default {
  key: "certificate",
  title: "Certificates",
  one: "certificate",
  list: "listSslCerts",
  row: "sslcert",
  idField: "certid",
  params: { listall: "true" },
  name: (row) => row.name,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "Fingerprint", of: (row) => row.fingerprint, kind: "mono" },
    { title: "Load balancers", of: (row) => (row.loadbalancerrulelist || []).length },
    { title: "Account", of: (row) => row.account },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  creates: [
    { command: "uploadSslCert", title: "Upload certificate", asks: ["name", "certificate", "privatekey", "certchain", "password"], note: "The key is kept sealed and never shown." },
  ],
  actions: [{ command: "deleteSslCert", title: "Delete", sends: { id: "id" }, danger: true, note: "No load balancer may show it." }],
};
