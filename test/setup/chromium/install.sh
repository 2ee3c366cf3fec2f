#!/bin/sh
# Puts Chromium into the folder $1: a link to the machine's own (or its Chrome), or what its Debian offers, taken apart there. apt
# keeps its lists and packages in the folder, too, so nobody has to be root and nothing is installed on the machine.
set -eu
folder=$1

for name in chromium chromium-browser google-chrome-stable google-chrome; do
  # Ubuntu's is there as a command that only asks for a snap.
  if own=$(command -v "$name") && "$own" --version >/dev/null 2>&1; then
    ln -s "$own" "$folder/chromium"
    exit
  fi
done

mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial"
apt() {
  apt-get -qq -o Dir::State::lists="$folder/apt/lists" -o Dir::Cache="$folder/apt" \
    -o Dir::Cache::archives="$folder/apt/archives" -o Debug::NoLocking=1 "$@"
}
# The machine's own lists may be old, or not there.
apt update
# With it comes what it needs and the machine does not have.
apt -y --no-install-recommends --download-only install chromium
for package in "$folder"/apt/archives/*.deb; do
  dpkg-deb -x "$package" "$folder/root"
done
rm -r "$folder/apt"

cat >"$folder/chromium" <<'EOS'
#!/bin/sh
root=$(cd "$(dirname "$0")" && pwd)/root
for libraries in "$root"/usr/lib/*-linux-gnu* "$root"/lib/*-linux-gnu* "$root"/usr/lib/*-linux-gnu*/pulseaudio; do
  LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
export LD_LIBRARY_PATH
# Where the machine has no fonts, its own ones came along.
[ -e /etc/fonts/fonts.conf ] || export FONTCONFIG_SYSROOT="$root"
exec "$root/usr/lib/chromium/chromium" "$@"
EOS
chmod +x "$folder/chromium"
"$folder/chromium" --version
