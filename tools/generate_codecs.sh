#!/usr/bin/env bash
# Makes the codecs in src/wire/generated from schemas/*.xml with SBE's own generator. Only whoever
# changes a schema needs this, and Java 17 and Maven for it; the build uses the committed output.
#
#   tools/generate_codecs.sh          regenerate src/wire/generated
#   tools/generate_codecs.sh OUTDIR   write to OUTDIR, for example to compare with what is committed
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/src/wire/generated}

artifact=uk.co.real-logic:sbe-all:1.38.1
sha256=26e29e5503faa70cc56158fcdacd6369ecfc3088b9a61c90b882feb54451c9b5
jar=$root/.deps/sbe/sbe-all-1.38.1.jar

matches() { [[ -f $jar ]] && echo "$sha256  $jar" | sha256sum --check --status; }

if ! matches; then
  command -v mvn >/dev/null || {
    echo "generate_codecs: Maven is needed to get $artifact (Debian: apt-get install maven)" >&2
    exit 1
  }
  echo "generate_codecs: getting $artifact"
  mkdir -p "$(dirname "$jar")"
  mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    -Dartifact="$artifact" -DoutputDirectory="$(dirname "$jar")" -Dmdep.overWriteReleases=true
  matches || {
    echo "generate_codecs: $jar does not have the pinned SHA-256 $sha256; it is not run" >&2
    exit 1
  }
fi
command -v java >/dev/null || {
  echo "generate_codecs: Java is needed (Debian: apt-get install openjdk-17-jre-headless)" >&2
  exit 1
}

staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
for schema in "$root"/schemas/*.xml; do
  java --add-opens java.base/jdk.internal.misc=ALL-UNNAMED \
    -Dsbe.target.language=Cpp -Dsbe.cpp.namespaces.collapse=true \
    -Dsbe.validation.stop.on.error=true -Dsbe.validation.warnings.fatal=true \
    -Dsbe.output.dir="$staging" -jar "$jar" "$schema"
done

# The folder is replaced as a whole, so that a message that left a schema leaves the tree as well.
rm -rf "$out"
mkdir -p "$(dirname "$out")"
cp -r "$staging" "$out"
chmod 755 "$out"
echo "generate_codecs: $(find "$out" -name '*.h' | wc -l) headers in $out"
