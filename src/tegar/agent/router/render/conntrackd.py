"""The flows of a pair: each router tells the other its own, so that they live on when it takes over."""

from __future__ import annotations

from tegar.agent.router import links
from tegar.agent.router.render.doors import SYNC_PORT
from tegar.model.router import RouterSpec


def conf(spec: RouterSpec, home: str) -> str:
    """Return conntrackd's settings: what the other tells goes straight into the kernel's table."""
    subnet = links.first_subnet(spec)
    own = sorted({"127.0.0.1", *(ip for net in spec.subnets for ip in (net.ip, net.peer_ip) if ip)})
    ignored = "".join(f"      IPv4_address {ip}\n" for ip in (*own, *links.PUBLIC_OWN))
    return f"""\
# Rendered by tegar-agent; changes are lost.
Sync {{
  Mode FTFW {{
    DisableExternalCache yes
    StartupResync yes
  }}
  UDP {{
    IPv4_address {subnet.ip}
    IPv4_Destination_Address {subnet.peer_ip}
    Port {SYNC_PORT}
    Interface {links.subnet_link(subnet)}
    SndSocketBuffer 1249280
    RcvSocketBuffer 1249280
    Checksum on
  }}
}}
General {{
  HashSize 32768
  HashLimit 131072
  LogFile {home}/conntrackd.log
  Syslog no
  LockFile {home}/conntrackd.lock
  UNIX {{
    Path {home}/conntrackd.ctl
  }}
  NetlinkBufferSize 2097152
  NetlinkBufferSizeMaxGrowth 8388608
  NetlinkOverrunResync yes
  Filter From Kernelspace {{
    Protocol Accept {{
      TCP
      UDP
      ICMP
    }}
    Address Ignore {{
{ignored}    }}
  }}
}}
"""
