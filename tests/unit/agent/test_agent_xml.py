from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import golden_files
import pytest

from tegar.agent.bridge import segment_bridge
from tegar.agent.places import DiskSource, Root
from tegar.agent.xml import Options, disk_device, disk_xml, domain_xml
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


def sources(root: Root = Root("/srv/pool"), cache: str = "none") -> dict[str, DiskSource]:
    return {d.volume_uuid: DiskSource(root, f"{d.volume_uuid}.qcow2", cache) for d in SPEC.disks}


def test_a_domain_on_kvm_reads_as_it_should() -> None:
    golden_files.check("kvm.xml", domain_xml(SPEC, sources(), Options("kvm", "10.0.0.5")))


def test_a_domain_under_emulation_with_nfs_disks_reads_as_it_should() -> None:
    text = domain_xml(SPEC, sources(Root("/export/pool", "10.0.0.9")), Options("tcg", shares=False))

    golden_files.check("tcg-nfs.xml", text)


def test_a_disk_is_plugged_by_the_same_words_it_starts_with() -> None:
    whole = ET.fromstring(domain_xml(SPEC, sources(), Options("kvm")))

    def plain(text: str) -> str:
        return ET.canonicalize(text, strip_text=True)

    started = [plain(ET.tostring(d, encoding="unicode")) for d in whole.iterfind("devices/disk")]
    assert [plain(disk_xml(d, sources()[d.volume_uuid])) for d in (ROOT, DATA)] == started


@pytest.mark.parametrize(("id", "name"), [(0, "vda"), (25, "vdz"), (26, "vdaa"), (51, "vdaz"), (52, "vdba")])
def test_disks_are_named_in_the_order_of_their_ids(id: int, name: str) -> None:
    assert disk_device(id) == name


def test_names_cannot_break_out_of_the_xml() -> None:
    text = domain_xml(replace(SPEC, name="<a>&'\""), sources(), Options("kvm"))

    assert ET.fromstring(text).findtext("name") == "<a>&'\""


def test_segments_of_long_labels_never_share_a_bridge() -> None:
    names = {
        segment_bridge(NetworkSpec("", f"longlabel{n}", vlan)) for n in range(3) for vlan in (1, 4000, 4001)
    }

    assert len(names) == 9
    assert all(len(name) <= 15 for name in names)
    assert segment_bridge(NetworkSpec("", "cloudbr1", 42)) == "brv-cloudbr1-42"
