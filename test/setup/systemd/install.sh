#!/bin/sh
# Puts systemd-analyze into the folder $1: a link to the machine's own, or what its Debian or Ubuntu offers, taken apart there.
# apt keeps its lists and packages in the folder, too, so nobody has to be root and nothing is installed on the machine.
set -eu
folder=$1

if own=$(command -v systemd-analyze); then
  ln -s "$own" "$folder/systemd-analyze"
  exit
fi

mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial"
apt() {
  apt-get -qq -o Dir::State::lists="$folder/apt/lists" -o Dir::Cache="$folder/apt" \
    -o Dir::Cache::archives="$folder/apt/archives" -o Debug::NoLocking=1 "$@"
}
# The machine's own lists may be old, or not there.
apt update
# With it comes what it needs and the machine does not have.
apt -y --no-install-recommends --download-only install systemd
for package in "$folder"/apt/archives/*.deb; do
  dpkg-deb -x "$package" "$folder/root"
done
rm -r "$folder/apt"

cat >"$folder/systemd-analyze" <<'EOF'
#!/bin/sh
root=$(dirname "$0")/root
for libraries in "$root"/usr/lib/*-linux-gnu* "$root"/usr/lib/*-linux-gnu*/systemd "$root"/lib/*-linux-gnu*; do
  LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
# Units that ours names come with it, too.
SYSTEMD_UNIT_PATH=$root/usr/lib/systemd/system:$root/lib/systemd/system:
export LD_LIBRARY_PATH SYSTEMD_UNIT_PATH
exec "$root/usr/bin/systemd-analyze" "$@"
EOF
chmod +x "$folder/systemd-analyze"
"$folder/systemd-analyze" --version
