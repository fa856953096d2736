// Every noun of the page, grouped as the side shows them.  A noun whose list the user may not ask for is not shown.

import account from "./account.js";
import acl from "./acl.js";
import acl_item from "./acl_item.js";
import address from "./address.js";
import affinity from "./affinity.js";
import balancer from "./balancer.js";
import certificate from "./certificate.js";
import check from "./check.js";
import cluster from "./cluster.js";
import disk_offering from "./disk_offering.js";
import domain from "./domain.js";
import egress from "./egress.js";
import event from "./event.js";
import failover from "./failover.js";
import firewall from "./firewall.js";
import forwarding from "./forwarding.js";
import host from "./host.js";
import image_store from "./image_store.js";
import job from "./job.js";
import lease from "./lease.js";
import network from "./network.js";
import network_offering from "./network_offering.js";
import nic from "./nic.js";
import os_type from "./os_type.js";
import physical_network from "./physical_network.js";
import pod from "./pod.js";
import pool from "./pool.js";
import security_group from "./security_group.js";
import server from "./server.js";
import private_gateway from "./private_gateway.js";
import proof from "./proof.js";
import restart from "./restart.js";
import router from "./router.js";
import service_offering from "./service_offering.js";
import setting from "./setting.js";
import ssh_key from "./ssh_key.js";
import static_route from "./static_route.js";
import template from "./template.js";
import user from "./user.js";
import vm from "./vm.js";
import volume from "./volume.js";
import vpc from "./vpc.js";
import vpc_offering from "./vpc_offering.js";
import witness from "./witness.js";
import zone from "./zone.js";

export const GROUPS = [
  ["Compute", [vm, template, service_offering, ssh_key, affinity]],
  ["Storage", [volume, disk_offering, pool, image_store]],
  ["Network", [network, router, vpc, acl, private_gateway, address, firewall, egress, security_group, forwarding, balancer, certificate, network_offering, vpc_offering]],
  ["Infrastructure", [host, cluster, pod, zone]],
  ["High availability", [lease, restart, proof, failover, check, witness]],
  ["Cloud", [event, job, domain, account, user, setting, server]],
];

const NOUNS = [...GROUPS.flatMap(([, nouns]) => nouns), physical_network, os_type, acl_item, nic, static_route];

/** Return the noun of that key. */
export function nounNamed(key) {
  return NOUNS.find((noun) => noun.key === key);
}

/** Return the noun that a list command lists. */
export function nounOfList(command) {
  return NOUNS.find((noun) => noun.list === command);
}
