"""``tegar up``: a whole cloud on this machine, with a VM that answers."""

from __future__ import annotations

import argparse
import base64
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from tegar.kernel.db import Db
from tegar.kernel.secret import Vault
from tegar.lab import cloud as lab
from tegar.lab.account import USERNAME, Account
from tegar.lab.bmc import LabBmc
from tegar.lab.cloud import Lab
from tegar.lab.errors import LabError
from tegar.lab.topology import BMCS, PRIMARY_PATH, SECONDARY_PATH, Topology
from tegar.main import furnish, guarding, several
from tegar.main.client import ApiFailed, Client
from tegar.main.config import config_in
from tegar.main.down import take_down
from tegar.main.furnish import Ground
from tegar.main.local import (
    LocalError,
    Place,
    free_port,
    marked,
    processes,
    service_environment,
    spawn,
    tegar,
    until,
    write_facts,
)
from tegar.main.several import MOST, Several, is_ready
from tegar.model.units import GIB
from tegar.ops.bootstrap import admin_keys

USER_DATA = "Hello from Tegar.\n"
AGENT_PORT = 8251
IMAGE_PORT = 8252

Say = Callable[[str], None]


def main_up(argv: Sequence[str]) -> int:
    """Run ``tegar up``."""
    parser = argparse.ArgumentParser(prog="tegar up", description="Start a cloud on this machine.")
    parser.add_argument("--detach", action="store_true", help="return when it is up")
    parser.add_argument("--simulated", action="store_true", help="on simulated hosts")
    parser.add_argument("--hosts", type=int, default=2, help="how many hosts")
    parser.add_argument("--bmc", choices=BMCS[1:], default="", help="give hosts BMCs that speak this")
    parser.add_argument(
        "--servers", type=int, default=1, help="how many management servers; more: on MariaDB"
    )
    parser.add_argument("--port", type=int, default=8080, help="of the page and the API, if it is free")
    parser.add_argument("--dir", type=Path, default=Path(".tegar"), help="where all its files are")
    given = parser.parse_args(argv)
    place, began_s = Place(given.dir.absolute()), time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began_s:5.1f} s] {text}", flush=True)

    try:
        up(
            place,
            hosts=given.hosts,
            simulated=given.simulated,
            port=given.port,
            bmc=given.bmc,
            servers=given.servers,
            say=say,
        )
    except (LocalError, LabError, ApiFailed, httpx.HTTPError) as e:
        print(f"tegar up: {e}\nwhat happened is in {place.root / 'log'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tegar up: interrupted. Again it goes on from here; tegar down removes all.", file=sys.stderr)
        return 130
    if not given.detach:
        _until_told()
        take_down(place, say)
    return 0


def _until_told() -> None:
    """Wait for Ctrl-C or a polite kill; blocked beforehand, for otherwise they end us without a word."""
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    print("Ctrl-C ends the cloud.", flush=True)
    signal.sigwait(ends)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)


def up(
    place: Place, *, hosts: int, simulated: bool, port: int, say: Say, bmc: str = "", servers: int = 1
) -> dict[str, Any]:
    """Start the cloud, or complete it; return what ``cloud.json`` holds.

    Raises:
        LocalError: something did not come up.
    """
    if not 1 <= hosts <= 1000:
        raise LocalError("--hosts must be between 1 and 1000")
    if not 1 <= servers <= MOST:
        raise LocalError(f"--servers must be between 1 and {MOST}")
    place.root.mkdir(parents=True, exist_ok=True)
    before = json.loads(place.facts.read_text()) if place.facts.exists() else {}
    if not simulated and before.get("simulated") is not True:
        reason = why_not_real()
        if reason and not before:
            say(f"No real hosts here: {reason}. The cloud runs on simulated hosts instead.")
            simulated = True
    simulated = bool(before.get("simulated", simulated))
    servers = int(before.get("servers", servers))
    port = int(before.get("port", 0)) or free_port(port)
    with ThreadPoolExecutor(1) as pool:
        image = None if simulated else pool.submit(build_guest, place, say)
        topology = Topology(place.lab, hosts=hosts, witnesses=guarding.WITNESSES, bmc=bmc)
        built = None if simulated else lab.up(topology, say)
        sim_port = int(before.get("sim_port", 0)) or (free_port(0) if simulated else 0)
        if sim_port:
            _simulator(place, sim_port, hosts)
        gateway = built.topology.mgmt_gateway if built is not None else ""
        if servers > 1:
            sim = f"http://127.0.0.1:{sim_port}" if sim_port else ""
            several.start(Several(place, servers, port, sim, gateway, AGENT_PORT), say)
        else:
            _server(place, port, sim_port, gateway, say)
        facts = _facts(place, port, sim_port, servers, simulated=simulated)
        api = Client(str(facts["endpoint"]), str(facts["apikey"]), str(facts["secretkey"]))
        if image is not None:
            image.result()
    if built is not None:
        guarding.lab_witnesses(place, built, say)
        with served(place.guest, built.topology.mgmt_gateway) as url:
            _join_all(place, built, say)
            ground = real_ground(built, url)
            furnish.furnish(api, ground, say)
            _template_ready(api, say)
        guarding.await_leases(place, len(built.hosts), say)
    else:
        guarding.local_witnesses(place, say)
        furnish.furnish(api, simulated_ground(hosts), say)
        _template_ready(api, say)
        guarding.await_leases(place, hosts, say)
    vm = first_vm(api, say)
    page = _page(vm, facts, say)
    write_facts(place, {**facts, "vm": vm["id"], "vm_address": vm["nic"][0]["ipaddress"]})
    _tell(facts, vm, page)
    return facts


def why_not_real() -> str | None:
    """Return why real hosts cannot run here, None when they can."""
    if os.geteuid() != 0:
        return "namespaces need root"
    return lab.available()


def build_guest(place: Place, say: Say) -> None:
    """Build the guest image, once, and again when what it is made of has changed."""
    script = Path(__file__).parents[3] / "guest" / "build"
    parts = [p.stat().st_mtime for p in script.parent.rglob("*") if p.is_file()]
    if place.guest.exists() and place.guest.stat().st_mtime > max(parts, default=0.0):
        return
    say("building the guest image")
    place.cache.mkdir(parents=True, exist_ok=True)
    spare = place.guest.with_suffix(".new")
    words = [str(script), str(spare), str(place.cache / "guest")]
    done = subprocess.run(words, capture_output=True, text=True, env=marked(place, "guest"))
    if done.returncode != 0:
        raise LocalError(f"the guest image could not be built: {done.stderr[-2000:]}")
    spare.replace(place.guest)


def _simulator(place: Place, sim_port: int, hosts: int) -> None:
    """Start the simulator, unless it runs."""
    if not processes(place, "sim"):
        listen = f"127.0.0.1:{sim_port}"
        spawn(place, "sim", tegar("sim", "--listen", listen, "--hosts", str(max(hosts, 1000))))


def _server(place: Place, port: int, sim_port: int, gateway: str, say: Say) -> None:
    """Start the server, unless it runs."""
    words = ["server", "--state-dir", str(place.state), "--port", str(port)]
    if sim_port:
        words += ["--sim", f"http://127.0.0.1:{sim_port}"]
    if gateway:
        words += ["--agent-listen", gateway, "--agent-port", str(AGENT_PORT), "--address", gateway]
    if not processes(place, "server"):
        spawn(place, "server", tegar(*words))
    url = f"http://127.0.0.1:{port}/readyz"
    if not until(lambda: is_ready(url) or not processes(place, "server"), 60) or not is_ready(url):
        raise LocalError(f"the management server did not become ready: see {place.log('server')}")
    say(f"management server on http://127.0.0.1:{port}")


def _facts(place: Place, port: int, sim_port: int, servers: int, *, simulated: bool) -> dict[str, Any]:
    db, vault = Db(config_in(place.state).url), Vault.at(place.state / "vault.key")
    apikey, secretkey = db.read(lambda s: admin_keys(s, vault))
    db.close()
    url = f"http://127.0.0.1:{port}"
    facts: dict[str, Any] = {
        "url": f"{url}/client/",
        "endpoint": f"{url}/client/api",
        "username": "admin",
        "password": (place.state / "admin.password").read_text().strip(),
        "apikey": apikey,
        "secretkey": secretkey,
        "simulated": simulated,
        "servers": servers,
        "port": port,
        "sim_port": sim_port,
    }
    write_facts(place, facts)
    return facts


@contextmanager
def served(file: Path, address: str) -> Iterator[str]:
    """Serve one directory's file over HTTP on the lab's management network; give its address."""
    handler = partial(_Quiet, directory=str(file.parent))
    with http.server.ThreadingHTTPServer((address, IMAGE_PORT), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{address}:{IMAGE_PORT}/{file.name}"
        finally:
            server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _join_all(place: Place, built: Lab, say: Say) -> None:
    """Let every host join with a token of its own, and run its agent."""
    for host in built.hosts.values():
        if not (host.var_dir / "tls" / "agent.crt").exists():
            token = subprocess.run(
                tegar("host", "token", "--state-dir", str(place.state)),
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            words = ["--server", f"https://{built.topology.mgmt_gateway}:{AGENT_PORT}", "--token", token]
            words += ["--name", host.name, "--address", host.mgmt_ip]
            done = host.run(tegar("host", "join", *words))
            if done.returncode != 0:
                raise LocalError(f"{host.name} could not join: {done.stderr}")
            settings = f'name = "{host.name}"\naddress = "{host.mgmt_ip}"\n'
            settings += f'watchdog = "{host.watchdog}"\n'
            settings += f"cpus = 8\ncpu_mhz = 1000\nmemory_bytes = {4 * GIB}\ncpu_shares = false\n"
            (host.var_dir / "agent.toml").write_text(settings)
        host.start_service("agent", tegar("agent"), service_environment())
        host.start_service("warden", tegar("warden"), service_environment())
    for host in built.hosts.values():
        url = f"https://{host.mgmt_ip}:8250"
        if not until(lambda u=url: _listens(u), 60):  # type: ignore[misc]
            raise LocalError(f"the agent of {host.name} does not answer: see {host.log_dir}")
    say(f"{len(built.hosts)} agents answer")


def _listens(url: str) -> bool:
    """Return whether something answers there; without a certificate of a server it hangs up, which is an answer."""
    try:
        httpx.get(url, trust_env=False, timeout=2, verify=False)  # noqa: S501 - nothing is sent or believed
    except httpx.ConnectError as e:
        return "SSL" in str(e) or "TLS" in str(e)
    except httpx.HTTPError:
        return True
    return True


def real_ground(built: Lab, image_url: str) -> Ground:
    """Return what a cloud on the lab stands on."""
    return Ground(
        hypervisor="KVM",
        hosts=[f"https://{h.mgmt_ip}:8250" for h in built.hosts.values()],
        pool_url=f"SharedMountPoint://localhost{PRIMARY_PATH}",
        store_url=f"file://{SECONDARY_PATH}",
        store_provider="Local",
        image_url=image_url,
        guest_cidr=built.topology.guest_cidr,
        mgmt_cidr=built.topology.mgmt_cidr,
        public_cidr=built.topology.public_cidr,
        bmcs={built.hosts[name].mgmt_ip: bmc_facts(b) for name, b in built.bmcs.items()},
    )


def bmc_facts(bmc: LabBmc) -> dict[str, str]:
    """Return how a lab host's BMC is reached, as the API wants it."""
    return {
        "driver": bmc.driver,
        "address": bmc.given_address,
        "port": str(bmc.port),
        "username": USERNAME,
        "password": Account(bmc.home / "account.json").password,
    }


def simulated_ground(hosts: int) -> Ground:
    """Return what a simulated cloud stands on."""
    return Ground(
        hypervisor="Simulator",
        hosts=[f"http://sim/h{i}" for i in range(1, hosts + 1)],
        pool_url="nfs://storage.sim/primary",
        store_url="nfs://storage.sim/secondary",
        store_provider="NFS",
        image_url=f"http://sim/guest.qcow2?size={64 * 1024 * 1024}",
        guest_cidr="10.1.0.0/20",
        mgmt_cidr="10.0.0.0/24",
        public_cidr="203.0.113.0/24",
    )


def _template_ready(api: Client, say: Say) -> None:
    def there() -> bool:
        found = furnish.template(api)
        if found and str(found.get("status", "")).lower().startswith(("fail", "error")):
            raise LocalError(f"the template could not be fetched: {found['status']}")
        return bool(found and found.get("isready"))

    if not until(there, 300, 0.3):
        raise LocalError(f"the template is not ready: {furnish.template(api)}")
    say("the template is ready")


def first_vm(api: Client, say: Say) -> Any:
    """Deploy the first VM, or start it."""
    vm = api.first("listVirtualMachines", "virtualmachine", name=furnish.VM, listall=True)
    if vm is not None and vm["state"] == "Error":  # an earlier try that found no host, say
        api.job("destroyVirtualMachine", id=vm["id"], expunge=True)
        vm = None
    if vm is not None and vm["state"] == "Destroyed":
        vm = api("recoverVirtualMachine", id=vm["id"])["virtualmachine"]
    if vm is None:
        zone = api.first("listZones", "zone", name=furnish.ZONE)
        offering = api.first("listServiceOfferings", "serviceoffering", name="Tiny Instance")
        network = api.first("listNetworks", "network", keyword=furnish.NETWORK, listall=True)
        say(f"deploying VM {furnish.VM}")
        user_data = base64.b64encode(USER_DATA.encode()).decode()
        vm = api.job(
            "deployVirtualMachine", zoneid=zone["id"], templateid=furnish.template(api)["id"], name=furnish.VM,
            serviceofferingid=offering["id"], networkids=network["id"], userdata=user_data,
        )["virtualmachine"]  # fmt: skip
    elif vm["state"] == "Stopped":
        vm = api.job("startVirtualMachine", id=vm["id"])["virtualmachine"]
    say(f"VM {vm['name']} is {vm['state']} on {vm.get('hostname')}")
    return vm


def _page(vm: Any, facts: dict[str, Any], say: Say) -> str:
    """Wait until the VM's own page answers, and return it."""
    address = vm["nic"][0]["ipaddress"]
    pages: list[str] = []

    def answers() -> bool:
        try:
            pages.append(guest_page(vm["id"], address, facts))
        except (httpx.HTTPError, KeyError):
            return False
        return USER_DATA.strip() in pages[-1] or vm["name"] != furnish.VM

    if not until(answers, 180, 0.3):
        raise LocalError(f"VM {vm['name']} runs, but its page at http://{address}/ does not answer")
    say(f"VM {vm['name']} answers at http://{address}/")
    return pages[-1]


def guest_page(vm_uuid: str, address: str, facts: dict[str, Any]) -> str:
    """Return what a VM's page says; a simulated one is asked of the simulator."""
    if not facts["simulated"]:
        return httpx.get(f"http://{address}/", trust_env=False, timeout=5).text
    state = httpx.get(f"http://127.0.0.1:{facts['sim_port']}/state", trust_env=False, timeout=30).json()
    page = state["pages"][vm_uuid]
    return (
        "".join(f"{name}: {value}\n" for name, value in page.items()) if isinstance(page, dict) else str(page)
    )


def _tell(facts: dict[str, Any], vm: Any, page: str) -> None:
    shown = "\n".join(f"    {line}" for line in page.strip().splitlines())
    print(
        f"\nYour cloud is up{' on simulated hosts' if facts['simulated'] else ''}.\n\n"
        f"  page       {facts['url']}\n  API        {facts['endpoint']}\n"
        f"  username   {facts['username']}\n  password   {facts['password']}\n"
        f"  API key    {facts['apikey']}\n  secret key {facts['secretkey']}\n\n"
        f"  VM {vm['name']} at http://{vm['nic'][0]['ipaddress']}/ says:\n\n{shown}\n",
        flush=True,
    )


__all__ = ["main_up", "up"]
