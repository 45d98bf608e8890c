#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs the R package three ways, each from and into a place of its own, and runs a small program with it: from the
# tree, from the tarball, against an installed libcrossdock. And what is missing must be said, in one sentence.
# The last line is "P passed, F failed, S skipped".
set -u
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
top=$(cd -- "$here/../.." && pwd)
export MAKEFLAGS=${MAKEFLAGS:--j$(nproc)}
unset CROSSDOCK_SYSTEM R_LIBS
work=$(mktemp -d /tmp/xdr-XXXXXX)
trap 'rm -rf -- "$work"' EXIT
tree=$work/tree
passed=0 failed=0

# judge CLAIM COMMAND...: one test
judge() {
    local claim=$1 log=$work/log
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok: $claim"
    else
        failed=$((failed + 1))
        echo "failed: $claim"
        tail -n 25 "$log" | sed 's/^/    /'
    fi
}

# The tree as git sees it: nothing that was built, nothing that was copied.
clean_tree() {
    mkdir "$tree"
    (cd "$top" && python3 tests/lint/tree.py . '' | tar -cf - -T -) | tar -xf - -C "$tree"
    [ ! -e "$tree/client-r/src/crossdock" ]
}

# runs LIBRARY: the program works, and the loaded code shows no name but those R looks for
runs() {
    mkdir -m 700 "$1.run"
    XDG_RUNTIME_DIR=$1.run R_LIBS=$1 timeout 60 Rscript --vanilla "$here/smoke.R" || return
    ! nm -D --defined-only --format=posix "$1/crossdock/libs/crossdock.so" | grep -vE '^R_(init|unload)_crossdock '
}

# installed LIBRARY WHAT [NAME=VALUE...]
installed() {
    local library=$1 what=$2
    shift 2
    mkdir "$library"
    env "$@" R CMD INSTALL --no-docs --library="$library" "$what" && runs "$library"
}

# refused SENTENCE FOLDER [NAME=VALUE...]: configure stops, and says so
refused() {
    local sentence=$1 folder=$2 said
    shift 2
    said=$(cd "$folder" && env "$@" ./configure 2>&1) && { echo "configure went through"; return 1; }
    echo "$said"
    [ "$(printf '%s\n' "$said" | wc -l)" -eq 1 ] && [[ $said == *"$sentence"* ]]
}

from_tarball() {
    (cd "$work" && sh "$tree/client-r/tools/tarball.sh" --no-vignettes "$work") || return
    mv "$tree" "$work/out of sight"
    installed "$work/lib2" "$(echo "$work"/crossdock_*.tar.gz)"
    local code=$?
    mv "$work/out of sight" "$tree"
    return $code
}

# The tarball again, so that none of the shared C can be compiled from the tree.
prefix() {
    meson setup "$work/build" "$tree" --prefix="$work/prefix" -Dtests=false -Dbuildtype=plain -Dwerror=false &&
        meson install -C "$work/build"
}
against_prefix() {
    installed "$work/lib3" "$(echo "$work"/crossdock_*.tar.gz)" CROSSDOCK_SYSTEM=1 "PKG_CONFIG_PATH=$modules" || return
    ldd "$work/lib3/crossdock/libs/crossdock.so" | grep -F "$work/prefix" ||
        { echo "libcrossdock is not linked"; return 1; }
}

without_sources() {
    cp -R "$tree/client-r" "$work/bare" && rm -rf "$work/bare/src/crossdock" &&
        refused "client-r/tools/vendor.sh" "$work/bare"
}
other_version() {
    cp -R "$tree/client-r" "$work/other" && sed -i 's/^Version: .*/Version: 99.0.0/' "$work/other/DESCRIPTION" &&
        refused "is 99.0.0; both must be the same" "$work/other" CROSSDOCK_SYSTEM=1 "PKG_CONFIG_PATH=$modules"
}

judge "a clean copy of the tree" clean_tree
judge "from the tree: R CMD INSTALL client-r" installed "$work/lib1" "$tree/client-r"
judge "from the tarball, with the tree out of sight" from_tarball
judge "the libraries are installed in a prefix" prefix
modules=$(dirname "$(find "$work/prefix" -name crossdock.pc)")
judge "against the installed libraries, CROSSDOCK_SYSTEM=1" against_prefix
judge "CROSSDOCK_SYSTEM=1 refuses another version" other_version
judge "CROSSDOCK_SYSTEM=1 without libraries says so" \
    refused "pkg-config does not find crossdock" "$tree/client-r" CROSSDOCK_SYSTEM=1 PKG_CONFIG_PATH= "PKG_CONFIG_LIBDIR=$work/none"
judge "without libzmq the package to install is named" \
    refused "apt-get install libzmq3-dev" "$tree/client-r" PKG_CONFIG_PATH= "PKG_CONFIG_LIBDIR=$work/none"
judge "without the shared C the command to run is named" without_sources
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
