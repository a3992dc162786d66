#!/bin/sh
# Builds assets/viewer/handful-viewer.js from dashboard/viewer/source: the same bytes each time (a test checks that).
# Needs node 20 and npm, once, on a developer's machine; running Handful needs neither.
#   dashboard/viewer/build.sh [OUTPUT FOLDER]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../assets/viewer}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
out=$(cd "$out" && pwd)

cp "$here"/source/* "$work"/
cd "$work"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
npx --no-install esbuild main.js --bundle --minify --format=esm --platform=browser --target=es2022 \
  --loader:.css=text --alias:xmlbuilder2=./no_xml.js --legal-comments=none --log-level=error --outfile="$out/handful-viewer.js" --metafile=meta.json
node licences.mjs meta.json > "$out/LICENCES.txt"
