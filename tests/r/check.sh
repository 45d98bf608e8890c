#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# R CMD check of the tarball as CRAN runs it, but for what needs a network, and for the tests, which suite `r` has run.
# An ERROR or a WARNING fails; each NOTE is shown. Before it, the package's pages (pages.R) and lintr (lint.R).
# The last line is "P passed, F failed, S skipped": one check, one item.
set -u
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d /tmp/xdr-XXXXXX)
trap 'rm -rf -- "$work"' EXIT
mkdir -m 700 "$work/run" "$work/state"
export MAKEFLAGS=${MAKEFLAGS:--j$(nproc)} XDG_RUNTIME_DIR=$work/run CROSSDOCK_STATE=$work/state # not the user's keys
# what --as-cran adds, as far as it needs no network
export _R_CHECK_FORCE_SUGGESTS_=false _R_CHECK_LIMIT_CORES_=true _R_CHECK_THINGS_IN_TEMP_DIR_=true \
    _R_CHECK_S3_METHODS_NOT_REGISTERED_=true _R_CHECK_OVERWRITE_REGISTERED_S3_METHODS_=true \
    _R_CHECK_RD_LINE_WIDTHS_=true _R_CHECK_COMPILATION_FLAGS_=true _R_CHECK_NO_RECOMMENDED_=true \
    _R_CHECK_SHLIB_OPENMP_FLAGS_=true _R_CHECK_R_DEPENDS_=warn _R_CHECK_CODETOOLS_PROFILE_=suppressLocalUnused=FALSE

passed=0 failed=0 skipped=0
# counted COMMAND...: what it prints, and its last line into the counts
counted() {
    local p f s
    "$@" >"$work/counted.log" 2>&1
    sed '$d' "$work/counted.log"
    read -r p f s < <(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$work/counted.log")
    [ -n "${p-}" ] || { cat "$work/counted.log"; p=0 f=1 s=0; }
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}
counted Rscript --vanilla "$here/pages.R" "$here/../../client-r"
counted Rscript --vanilla "$here/lint.R" "$here/../../client-r"

cd "$work" || exit 1
if ! sh "$here/../../client-r/tools/tarball.sh" "$work" >build.log 2>&1; then
    cat build.log
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
timeout 900 R CMD check --run-donttest --no-manual --no-tests crossdock_*.tar.gz >check.log 2>&1
code=$?
# an item is a line that begins with a star; what belongs to it follows
awk '/^\* /{keep = / \.\.\. .*(NOTE|WARNING|ERROR)$/} keep' check.log
good=$(grep -c '^\* checking .* OK$' check.log)
bad=$(grep -cE '^\* .*(WARNING|ERROR)$' check.log)
if [ $code -ne 0 ] && [ "$bad" -eq 0 ]; then
    tail -n 25 check.log
    bad=1
fi
echo "$((passed + good)) passed, $((failed + bad)) failed, $skipped skipped"
failed=$((failed + bad))
[ "$failed" -eq 0 ]
