from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import golden_files
import pytest

from tegar.agent.places import DiskSource, Root
from tegar.agent.segment.plan import Segment, vlan_bridge, vxlan_bridge, vxlan_group
from tegar.agent.xml import Options, disk_device, disk_xml, domain_xml, nic_xml
from tegar.model.spec import DiskSpec, DomainSpec, NetworkSpec, NicSpec, PoolKind, PoolSpec

POOL = PoolSpec("00000000-0000-4000-8000-000000000001", PoolKind.SHARED, "/srv/pool")
ROOT = DiskSpec("11111111-1111-4111-8111-111111111111", POOL, 10 << 30, 0)
DATA = DiskSpec("22222222-2222-4222-8222-222222222222", POOL, 20 << 30, 1)
NET = NetworkSpec("33333333-3333-4333-8333-333333333333", "cloudbr1", 100)
SPEC = DomainSpec(
    uuid="44444444-4444-4444-8444-444444444444",
    name="i-2-7-VM",
    cpus=2,
    cpu_mhz=1000,
    memory_bytes=512 << 20,
    disks=(DATA, ROOT),
    nics=(NicSpec("55555555-5555-4555-8555-555555555555", NET, "02:00:00:00:00:07", "10.1.1.7", 0),),
)


BRIDGES = {NET: Segment("brv-c16f0-100")}
SWITCHED = {NET: Segment("cloudbr1", 100, soft=True)}


def sources(root: Root = Root("/srv/pool"), cache: str = "none") -> dict[str, DiskSource]:
    return {d.volume_uuid: DiskSource(root, f"{d.volume_uuid}.qcow2", cache) for d in SPEC.disks}


def test_a_domain_on_kvm_reads_as_it_should() -> None:
    golden_files.check("kvm.xml", domain_xml(SPEC, sources(), BRIDGES, Options("kvm", "10.0.0.5")))


def test_a_domain_under_emulation_with_nfs_disks_reads_as_it_should() -> None:
    text = domain_xml(SPEC, sources(Root("/export/pool", "10.0.0.9")), SWITCHED, Options("tcg", shares=False))

    golden_files.check("tcg-nfs.xml", text)


def test_a_disk_is_plugged_by_the_same_words_it_starts_with() -> None:
    whole = ET.fromstring(domain_xml(SPEC, sources(), BRIDGES, Options("kvm")))

    def plain(text: str) -> str:
        return ET.canonicalize(text, strip_text=True)

    started = [plain(ET.tostring(d, encoding="unicode")) for d in whole.iterfind("devices/disk")]
    assert [plain(disk_xml(d, sources()[d.volume_uuid])) for d in (ROOT, DATA)] == started


@pytest.mark.parametrize(("id", "name"), [(0, "vda"), (25, "vdz"), (26, "vdaa"), (51, "vdaz"), (52, "vdba")])
def test_disks_are_named_in_the_order_of_their_ids(id: int, name: str) -> None:
    assert disk_device(id) == name


def test_names_cannot_break_out_of_the_xml() -> None:
    text = domain_xml(replace(SPEC, name="<a>&'\""), sources(), BRIDGES, Options("kvm"))

    assert ET.fromstring(text).findtext("name") == "<a>&'\""


def test_a_nic_is_plugged_by_the_same_words_it_starts_with() -> None:
    for segments in (BRIDGES, SWITCHED, {NET: Segment("brx-77", mtu=1450)}):
        whole = ET.fromstring(domain_xml(SPEC, sources(), segments, Options("kvm")))
        plugged = ET.canonicalize(nic_xml(SPEC.nics[0], segments[NET]), strip_text=True)

        started = [ET.tostring(e, encoding="unicode") for e in whole.iterfind("devices/interface")]
        assert [ET.canonicalize(text, strip_text=True) for text in started] == [plugged]


def test_a_nic_may_be_plugged_without_its_cable() -> None:
    assert '<link state="down"' in nic_xml(SPEC.nics[0], BRIDGES[NET], cable=False)


def test_segments_of_long_labels_never_share_a_bridge() -> None:
    labels = [f"longlabel{n}" for n in range(3)]
    names = {vlan_bridge(label, vlan) for label in labels for vlan in (1, 4000, 4001)}
    names |= {vxlan_bridge(label, vni) for label in labels for vni in (1, 16_000_000, 16_000_001)}

    assert len(names) == 18
    assert all(len(name) <= 15 for name in names)
    assert vlan_bridge("cloudbr1", 42) == "brv-cloudbr1-42"


def test_each_vni_has_a_group_of_its_own() -> None:
    assert [vxlan_group(vni) for vni in (1, 256, 16_777_215)] == ["239.0.0.1", "239.0.1.0", "239.255.255.255"]
