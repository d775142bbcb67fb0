#!/bin/sh
# In a guest that counts instructions as time: what 10,000 opens of a file take, whose path has 60 bytes and six names, without a
# program, with an empty one, and in a sandbox. Instructions of one open: the median, since the kernel's own work in between falls
# on some of them, most of it soon after it has started; and how many times that with the empty program.
path=/srv/tenant00/project-6acc/data/aaaaaaaaaaaaaaa/bbbbbbbb.txt   # the policy in the middle is about it
[ ${#path} = 60 ] || { echo "the path has ${#path} bytes"; exit 1; }
mkdir -p "${path%/*}"
echo text > "$path"
empty=
show() {  # show NAME COMMAND…
  name=$1
  shift
  line=$("$@" /guest/time_opens "$path" "${KERF_OPENS:-10000}") || { echo "$name: status $?"; exit 1; }
  set -- $line
  [ "$name" != "an empty program" ] || empty=$4
  echo "$1 $2 $3 $4 ${empty:-0}" | awk -v name="$name" '{ printf "OPENS %-40s %6d instructions (mean %d), a close %d", name, $4, $2 / $1, $3 / $1
    if ($5) printf "; %.2f times", $4 / $5; printf "\n" }'
}
bundle() { show "$1" /guest/kerf run --privileged --bundle "/guest/bundles/$2" --principal 'Agent::"a"' $3 --; }
sleep 5
show "no program" env
show "an empty program" /guest/with_empty
bundle "a sandbox, one policy" simple --no-hits
bundle "a sandbox, one policy, hits counted" simple
bundle "a sandbox, 1,000 policies" thousand --no-hits
bundle "a sandbox, 1,000 policies, hits counted" thousand
/guest/kerf load --name beside --bundle /guest/bundles/thousand > /dev/null || exit 1
show "a task outside of the sandbox" env
/guest/kerf unload beside > /dev/null
