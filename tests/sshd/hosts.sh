# Run by world.py as root in fresh network, mount and process namespaces: this one is the client's
# network; a gateway and, behind it, a cluster host are added. All of it ends when stdin closes.
#   sh hosts.sh FOLDER SSHD
set -eu
folder=$1
mount --bind "$folder/passwd" /etc/passwd
mount --bind "$folder/shadow" /etc/shadow
mount --bind "$folder/hosts" /etc/hosts
mount --bind "$folder/home" /srv
mount -t tmpfs tmpfs /run
mount -t proc proc /proc
mkdir -p /run/sshd /run/netns

ip netns add gateway
ip netns add cluster
ip link add outside type veth peer name outside netns gateway
ip -n gateway link add inside type veth peer name inside netns cluster
ip address add 10.88.1.1/24 dev outside
ip -n gateway address add 10.88.1.2/24 dev outside
ip -n gateway address add 10.88.2.1/24 dev inside
ip -n cluster address add 10.88.2.2/24 dev inside
for network in gateway cluster; do ip -n $network link set lo up; ip -n $network link set inside up; done
ip link set lo up
ip link set outside up
ip -n gateway link set outside up
# Hosts that are there but never answer.
ip neigh add 10.88.1.99 lladdr 02:00:00:00:00:99 dev outside nud permanent
ip -n gateway neigh add 10.88.2.99 lladdr 02:00:00:00:00:99 dev inside nud permanent

for network in gateway cluster; do
    ip netns exec $network "$2" -D -e -f "$folder/$network.conf" 2> "$folder/$network.log" &
done
until grep -q listening "$folder/gateway.log" && grep -q listening "$folder/cluster.log"; do sleep 0.05; done
echo ready
# One command per line: a test cuts a cable.
while read -r command; do sh -c "$command"; echo done; done
