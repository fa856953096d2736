# Rendered by tegar-agent; changes are lost.  Arguments: GROUP name state priority
group=0
case "$3" in
  MASTER) role=PRIMARY group=1 ;;
  BACKUP) role=BACKUP ;;
  *) role=FAULT ;;
esac
ip link set eth-33333333 group $group
echo $role > /r/.role.$$ && mv /r/.role.$$ /r/role
[ $role = PRIMARY ] || exit 0
conntrackd -C /r/current/conntrackd.conf -R
conntrackd -C /r/current/conntrackd.conf -B
