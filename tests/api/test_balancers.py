"""Load balancers: what the router is told, who is behind, how clients stick, certificates; and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support.cloud import ApiError, Cloud
from support.isolated import acquire, isolated, public_range, told, vm_in
from tegar.kernel import codec
from tegar.model.rule import Balancer, HealthCheck, Member, Stickiness
from tegar.store.certificates import SslCert


class Place:
    """Alice's network with two VMs and an address."""

    def __init__(self, cloud: Cloud, **offered: object) -> None:
        cloud.ready_zone()
        public_range(cloud, first=10, last=14)
        self.cloud, self.alice = cloud, cloud.as_user()
        self.network = isolated(cloud, self.alice, **offered)  # type: ignore[arg-type]
        self.vms = [vm_in(cloud, self.alice, self.network, name) for name in ("a", "b")]
        self.ip = acquire(cloud, self.alice, self.network)

    def balance(self, **more: object) -> dict[str, Any]:
        """Make a load balancer of port 80."""
        wish = {
            "name": "web", "algorithm": "roundrobin", "publicport": 80, "privateport": 8080,
            "publicipid": self.ip["id"], **more,
        }  # fmt: skip
        made: dict[str, Any] = self.alice.do("createLoadBalancerRule", **wish)["loadbalancer"]
        return made

    @property
    def told(self) -> Balancer:
        """What the router was told of the only load balancer."""
        (found,) = told(self.cloud, self.network).balancers
        return found


@pytest.fixture
def place(cloud: Cloud) -> Place:
    return Place(cloud)


def ip_of(vm: dict[str, Any]) -> str:
    return str(vm["nic"][0]["ipaddress"])


def test_vms_come_behind_a_load_balancer_and_go(place: Place) -> None:
    made = place.balance()
    assert (made["state"], made["publicport"], made["privateport"]) == ("Active", "80", "8080")
    assert place.told.members == ()

    place.alice.do(
        "assignToLoadBalancerRule", id=made["id"], virtualmachineids=",".join(v["id"] for v in place.vms)
    )

    assert place.told.members == tuple(Member(ip_of(v), 8080) for v in place.vms)
    shown = place.alice.api("listLoadBalancerRuleInstances", id=made["id"])
    assert [v["id"] for v in shown["loadbalancerruleinstance"]] == [v["id"] for v in place.vms]
    shown = place.alice.api("listLoadBalancerRuleInstances", id=made["id"], lbvmips=True)
    assert [v["lbvmipaddresses"] for v in shown["lbrulevmidip"]] == [[ip_of(v)] for v in place.vms]
    assert place.alice.api("listLoadBalancerRules", virtualmachineid=place.vms[0]["id"])["count"] == 1

    place.alice.do("removeFromLoadBalancerRule", id=made["id"], virtualmachineids=place.vms[0]["id"])

    assert place.told.members == (Member(ip_of(place.vms[1]), 8080),)
    shown = place.alice.api("listLoadBalancerRuleInstances", id=made["id"], applied=False)
    assert [v["id"] for v in shown["loadbalancerruleinstance"]] == [place.vms[0]["id"]]


def test_a_vm_comes_behind_by_one_of_its_addresses(place: Place) -> None:
    made = place.balance()
    vm = place.vms[0]

    place.alice.do(
        "assignToLoadBalancerRule", id=made["id"],
        **{"vmidipmap[0].vmid": vm["id"], "vmidipmap[0].vmip": ip_of(vm)},
    )  # fmt: skip
    with pytest.raises(ApiError, match="behind load balancer web already"):
        place.alice.api("assignToLoadBalancerRule", id=made["id"], virtualmachineids=vm["id"])
    with pytest.raises(ApiError, match="vmguestip"):
        place.alice.api(
            "assignToLoadBalancerRule", id=made["id"],
            **{"vmidipmap[0].vmid": vm["id"], "vmidipmap[0].vmip": "10.5.0.77"},
        )  # fmt: skip


def test_a_load_balancer_does_it_another_way(place: Place) -> None:
    made = place.balance()

    place.alice.do(
        "updateLoadBalancerRule", id=made["id"], algorithm="leastconn", cidrlist="192.0.2.0/24", name="other"
    )

    assert (place.told.algorithm, place.told.sources) == ("leastconn", ("192.0.2.0/24",))
    assert place.alice.api("listLoadBalancerRules", name="other")["count"] == 1


def test_a_deleted_load_balancer_takes_all_with_it(place: Place) -> None:
    made = place.balance()
    place.alice.do("assignToLoadBalancerRule", id=made["id"], virtualmachineids=place.vms[0]["id"])
    place.alice.do("createLBStickinessPolicy", lbruleid=made["id"], name="s", methodname="LbCookie")

    place.alice.do("deleteLoadBalancerRule", id=made["id"])

    spec = told(place.cloud, place.network)
    assert (spec.balancers, spec.openings) == ((), ())
    assert place.alice.api("listLBStickinessPolicies") == {}
    assert place.alice.api("listLoadBalancerRules") == {}


def test_ports_of_forwarding_and_balancing_do_not_overlap(place: Place) -> None:
    place.balance()

    with pytest.raises(ApiError, match="overlap") as e:
        place.alice.api(
            "createPortForwardingRule", ipaddressid=place.ip["id"], protocol="tcp", publicport=70, publicendport=90,
            privateport=70, privateendport=90, virtualmachineid=place.vms[0]["id"],
        )  # fmt: skip
    assert e.value.code == 537
    with pytest.raises(ApiError, match="overlap"):
        place.balance(name="again")
    assert place.balance(name="udp", protocol="udp")["protocol"] == "udp"


def test_a_vm_that_is_gone_is_behind_nothing(place: Place) -> None:
    made = place.balance()
    place.alice.do(
        "assignToLoadBalancerRule", id=made["id"], virtualmachineids=",".join(v["id"] for v in place.vms)
    )

    place.alice.do("destroyVirtualMachine", id=place.vms[0]["id"], expunge=True)

    assert place.told.members == (Member(ip_of(place.vms[1]), 8080),)


# ── policies ──


def test_clients_stick(place: Place) -> None:
    made = place.balance()

    shown = place.alice.do(
        "createLBStickinessPolicy", lbruleid=made["id"], name="my cookie", methodname="lbcookie",
        **{"param[0].name": "cookie-name", "param[0].value": "SRV", "param[1].nocache": "true"},
    )["stickinesspolicies"]  # fmt: skip

    assert place.told.stickiness == Stickiness(
        "LbCookie", "my_cookie", (("cookie-name", "SRV"), ("nocache", "true"))
    )
    (one,) = shown["stickinesspolicy"]
    assert (one["params"]["cookie-name"], one["state"], shown["lbruleid"]) == ("SRV", "Active", made["id"])
    with pytest.raises(ApiError, match="already") as e:
        place.alice.api("createLBStickinessPolicy", lbruleid=made["id"], name="x", methodname="SourceBased")
    assert e.value.code == 537

    place.alice.do("deleteLBStickinessPolicy", id=one["id"])

    assert place.told.stickiness is None


@pytest.mark.parametrize(
    ("method", "key", "value", "why"),
    [
        ("Magic", "", "", "methodname"),
        ("LbCookie", "tablesize", "1", "has no 'tablesize'"),
        ("LbCookie", "cookie-name", "a b\n  server evil", "is no cookie-name"),
        ("SourceBased", "expire", "soon", "is no expire"),
    ],
)
def test_nonsense_does_not_reach_a_router(place: Place, method: str, key: str, value: str, why: str) -> None:
    made = place.balance()
    given = {"param[0].name": key, "param[0].value": value} if key else {}

    with pytest.raises(ApiError, match=why):
        place.alice.api("createLBStickinessPolicy", lbruleid=made["id"], name="x", methodname=method, **given)


def test_members_are_checked(place: Place) -> None:
    made = place.balance()

    shown = place.alice.do(
        "createLBHealthCheckPolicy", lbruleid=made["id"], pingpath="/health", intervaltime=10, responsetimeout=3,
        healthythreshold=4, unhealthythreshold=5,
    )["healthcheckpolicy"]  # fmt: skip

    assert place.told.health == HealthCheck("/health", 10.0, 3.0, 4, 5)
    (one,) = shown["healthcheckpolicy"]
    assert (one["healthcheckinterval"], one["unhealthcheckthresshold"]) == (10, 5)
    assert place.alice.api("listLBHealthCheckPolicies", lbruleid=made["id"])["count"] == 1

    place.alice.do("deleteLBHealthCheckPolicy", id=one["id"])

    assert place.told.health is None
    with pytest.raises(ApiError, match="pingpath"):
        place.alice.api("createLBHealthCheckPolicy", lbruleid=made["id"], pingpath="/x\r\nHost: y")


# ── elastic ──


def test_an_elastic_load_balancer_has_an_address_of_its_own(cloud: Cloud) -> None:
    place = Place(cloud, details='{"capabilities": {"Lb": {"ElasticLb": "true"}}}')
    assert place.ip["issystem"] is False

    made = place.balance(publicipid=None, networkid=place.network)
    own = place.alice.api("listPublicIpAddresses", id=made["publicipid"])["publicipaddress"][0]
    assert (own["issystem"], place.told.ip) == (True, own["ipaddress"])

    place.alice.do("deleteLoadBalancerRule", id=made["id"])

    assert told(cloud, place.network).balancers == ()
    assert place.alice.api("listPublicIpAddresses", ipaddress=own["ipaddress"]) == {}


def test_other_networks_have_no_elastic_load_balancers(place: Place) -> None:
    with pytest.raises(ApiError, match="publicipid"):
        place.balance(publicipid=None, networkid=place.network)


def test_an_elastic_address_comes_with_its_vm_and_goes_with_it(cloud: Cloud) -> None:
    place = Place(cloud, details='{"capabilities": {"StaticNat": {"ElasticIp": "true"}}}')
    nats = told(cloud, place.network).static_nats
    assert [n.to_ip for n in nats] == [ip_of(v) for v in place.vms]
    (mine,) = [
        a for a in place.alice.api("listPublicIpAddresses", isstaticnat=True)["publicipaddress"]
        if a["virtualmachineid"] == place.vms[0]["id"]
    ]  # fmt: skip
    with pytest.raises(ApiError, match="came with its VM"):
        place.alice.api("disassociateIpAddress", id=mine["id"])

    place.alice.do("destroyVirtualMachine", id=place.vms[0]["id"], expunge=True)

    spec = told(cloud, place.network)
    assert len(spec.static_nats) == 1
    assert mine["ipaddress"] not in spec.uplinks[0].addresses
    assert place.alice.api("listPublicIpAddresses", ipaddress=mine["ipaddress"]) == {}


# ── certificates ──


def make(
    cloud: Cloud, name: str, signer: tuple[x509.Certificate, Any] | None = None, days: int = 30
) -> tuple[x509.Certificate, Any]:
    """Return a certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.fromtimestamp(cloud.clock.now_s(), UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer[0].subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .sign(signer[1] if signer else key, hashes.SHA256())
    )
    return made, key


def pem(found: x509.Certificate) -> str:
    return found.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: Any, password: str = "") -> str:
    how = (
        serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    )
    text: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    return text.decode()


def test_a_load_balancer_shows_a_certificate(place: Place) -> None:
    root = make(place.cloud, "root")
    leaf, key = make(place.cloud, "web.example.org", root)
    made = place.balance(protocol="ssl", publicport=443)
    assert told(place.cloud, place.network).balancers == ()  # nothing to show yet

    cert = place.alice.api(
        "uploadSslCert", name="web", certificate=pem(leaf), certchain=pem(root[0]), privatekey=key_pem(key, "open"),
        password="open",
    )["sslcert"]  # fmt: skip
    place.alice.do("assignCertToLoadBalancer", certid=cert["id"], lbruleid=made["id"])

    assert place.told.certificate == pem(leaf).strip() + "\n" + pem(root[0]).strip() + "\n" + key_pem(key)
    assert "PRIVATE KEY" not in repr(place.told)
    (shown,) = place.alice.api("listSslCerts", lbruleid=made["id"])["sslcert"]
    assert (shown["loadbalancerrulelist"], "PRIVATE" in str(shown)) == ([made["id"]], False)
    with pytest.raises(ApiError, match="has it") as e:
        place.alice.api("deleteSslCert", id=cert["id"])
    assert e.value.code == 536

    place.alice.do("removeCertFromLoadBalancer", lbruleid=made["id"])
    assert told(place.cloud, place.network).balancers == ()
    assert place.alice.api("deleteSslCert", id=cert["id"])["success"] is True
    assert place.alice.api("listSslCerts") == {}


def test_a_key_is_kept_sealed_and_in_no_saga(place: Place) -> None:
    leaf, key = make(place.cloud, "web")
    place.alice.api("uploadSslCert", name="web", certificate=pem(leaf), privatekey=key_pem(key))

    (row,) = place.cloud.db.read(lambda s: s.query(SslCert).all())
    assert "PRIVATE" not in row.key_sealed
    assert place.cloud.vault.open(row.key_sealed).reveal() == key_pem(key)
    assert "PRIVATE" not in codec.encode(place.alice.api("listEvents"))


def test_certificates_that_do_not_fit_are_refused(place: Place) -> None:
    leaf, key = make(place.cloud, "web")
    other, other_key = make(place.cloud, "other")
    old, old_key = make(place.cloud, "old", days=-1)

    def refused(why: str, **wish: str) -> None:
        with pytest.raises(ApiError, match=why) as e:
            place.alice.api(
                "uploadSslCert", **{"name": "x", "certificate": pem(leaf), "privatekey": key_pem(key), **wish}
            )
        assert "PRIVATE" not in e.value.text
        assert e.value.code == 431

    refused("not the key", privatekey=key_pem(other_key))
    refused("valid from", certificate=pem(old), privatekey=key_pem(old_key))
    refused("must have signed", certchain=pem(other))
    refused("PEM", certificate="nonsense")
    refused("opens with", privatekey=key_pem(key, "secret"))
    refused("opens with", privatekey="-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")


def test_only_tls_shows_certificates(place: Place) -> None:
    leaf, key = make(place.cloud, "web")
    cert = place.alice.api("uploadSslCert", name="web", certificate=pem(leaf), privatekey=key_pem(key))[
        "sslcert"
    ]

    with pytest.raises(ApiError, match="must be ssl"):
        place.alice.api("assignCertToLoadBalancer", certid=cert["id"], lbruleid=place.balance()["id"])
