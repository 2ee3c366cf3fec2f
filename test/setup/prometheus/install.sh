#!/bin/sh
# Puts prometheus and promtool into the folder $1/bin: links to the machine's own, or what its Debian or Ubuntu offers, taken apart
# there. apt keeps its lists in the folder, too, so nobody has to be root and nothing is installed on the machine.
set -eu
folder=$1
mkdir "$folder/bin"

if server=$(command -v prometheus) && tool=$(command -v promtool); then
  ln -s "$server" "$tool" "$folder/bin"
  exit
fi

mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial"
apt() {
  apt-get -qq -o Dir::State::lists="$folder/apt/lists" -o Dir::Cache="$folder/apt" -o Debug::NoLocking=1 "$@"
}
# The machine's own lists may be old, or not there.
apt update
# Without what it depends on: these are scripts for its pages, which no test opens.
(cd "$folder/apt" && apt download prometheus)
for package in "$folder"/apt/*.deb; do
  dpkg-deb -x "$package" "$folder/root"
done
mv "$folder/root/usr/bin/prometheus" "$folder/root/usr/bin/promtool" "$folder/bin"
rm -r "$folder/apt" "$folder/root"
"$folder/bin/promtool" --version
