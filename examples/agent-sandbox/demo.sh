#!/usr/bin/env bash
# The story of README.md, command by command. Uses only loopback addresses, and ends what it started.
set -euo pipefail
cd "$(dirname "$0")"
kerf=${KERF:-../../build/release/kerf}
work=$(mktemp -d)
listener=
cleanup() {
  if [ -n "$listener" ]; then kill "$listener" 2>/dev/null || true; wait "$listener" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap cleanup EXIT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '\033[2m$ %s\033[0m\n' "${*/#$kerf/kerf}"; }
expect() {  # expect STATUS COMMAND...
  local want=$1 got=0
  shift
  show "$@"
  "$@" || got=$?
  if [ "$got" -ne "$want" ]; then echo "demo: expected exit status $want, got $got" >&2; exit 1; fi
}
program=(-p gateway.cedar network.cedar files.cedar -s sandbox.cedarschema --entities entities.json)

say "1. One policy becomes two artefacts."
expect 0 "$kerf" compile "${program[@]}" -o "$work/bundle"
ls -l "$work/bundle" | awk 'NR > 1 { printf "  %8d  %s\n", $5, $9 }'

say "2. Who enforces what?"
expect 0 "$kerf" split "${program[@]}"

say "3. The gateway decides tools, from table.json alone."
expect 0 "$kerf" authorize --table "$work/bundle" --request-json requests/read-ledger.json -v
expect 2 "$kerf" authorize --table "$work/bundle" --request-json requests/transfer.json -v

say "4. The kernel decides connections."
if [ "$(id -u)" -ne 0 ]; then echo "This part needs root: run the demo as root to see it."; exit 0; fi
perl -MSocket=:all -e '
  for (["127.0.0.1", 18080], ["127.0.0.1", 18081], ["::1", 18443]) {
    my ($host, $port) = @$_;
    my $six = $host =~ /:/;
    socket(my $s, $six ? PF_INET6 : PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    setsockopt($s, SOL_SOCKET, SO_REUSEADDR, pack("l", 1));
    bind($s, $six ? pack_sockaddr_in6($port, inet_pton(AF_INET6, $host)) : pack_sockaddr_in($port, inet_aton($host)))
      or die "bind $host $port: $!";
    listen($s, 8) or die "listen: $!";
    push @keep, $s;
  }
  open(my $f, ">", $ARGV[0]); close $f;
  sleep 60;
' "$work/ready" &
listener=$!
for _ in $(seq 50); do [ -e "$work/ready" ] && break; sleep 0.1; done
[ -e "$work/ready" ] || { echo "demo: the listeners did not start" >&2; exit 1; }

agent='try() { if out=$( (exec 3<>"/dev/tcp/$1/$2") 2>&1 ); then echo "  connect $1 port $2: connected"; else echo "  connect $1 port $2: ${out##*: }"; fi; }
try 127.0.0.1 18080
try 127.0.0.1 18081
try ::1 18443'
# What needs LSM programs is given up by name where the kernel does not run them.
accept=()
if ! grep -qw bpf /sys/kernel/security/lsm 2>/dev/null; then
  accept=(--allow-degraded=files,exec,identity,lsm-fence,guard-rename,guard-bpf,guard-mount,guard-ptrace,guard-signal,guard-protected-file,guard-packet-socket)
  echo "This kernel does not run BPF LSM programs, so files are not fenced here: each loss is accepted by name."
fi
echo "All three ports have a listener. The analyst may reach the first; nobody approved the second; the third is a"
echo "model endpoint, closed until the delegation depth is known."
expect 0 "$kerf" run --bundle "$work/bundle" --principal 'Agent::"a1"' --events "$work/events.jsonl" \
  "${accept[@]}" -- bash -c "$agent" > >(tee "$work/first")
say "What the kernel refused, as events:"
cat "$work/events.jsonl"

say "5. A published fact opens the model endpoint; the policy stays as it is."
expect 0 "$kerf" run --bundle "$work/bundle" --principal 'Agent::"a1"' --fact delegation_depth=1 \
  "${accept[@]}" -- bash -c "$agent" > >(tee "$work/second")

if [ ${#accept[@]} -eq 0 ] && [ ! -e /workspace ]; then
  say "6. Files: a shell and python3 inside the fence."
  KERF=$kerf KERF_BUNDLE=$work/bundle ./fence.sh
fi

sleep 0.2
check() { grep -q "$2" "$work/$1" || { echo "demo: expected '$2'" >&2; exit 1; }; }
check first '127.0.0.1 port 18080: connected'
check first '127.0.0.1 port 18081: Connection refused'
check first '::1 port 18443: Connection refused'
check second '::1 port 18443: connected'
check second '127.0.0.1 port 18081: Connection refused'
say "Done: one policy, two guards, one answer."
