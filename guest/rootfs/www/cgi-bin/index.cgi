#!/bin/sh
. /etc/facts
printf 'Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n\r\n'
cat <<PAGE
name: $name
uuid: $uuid
instance-id: ${instance_id:-$uuid}
boots: $boots
userdata: $(awk '{ printf "%s%s", (NR > 1 ? "\\n" : ""), $0 }' /run/user-data 2>/dev/null)
disks: $disks
address: $address
uptime_s: $uptime_s
PAGE
