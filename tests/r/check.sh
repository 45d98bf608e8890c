#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# R CMD check of the tarball as CRAN runs it, but for what needs a network, and for the tests, which suite `r` has run.
# An ERROR or a WARNING fails; each NOTE is shown. The last line is "P passed, F failed, S skipped": one check, one item.
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

cd "$work" || exit 1
if ! sh "$here/../../client-r/tools/tarball.sh" "$work" >build.log 2>&1; then
    cat build.log
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
timeout 600 R CMD check --run-donttest --no-manual --no-tests crossdock_*.tar.gz >check.log 2>&1
code=$?
# an item is a line that begins with a star; what belongs to it follows
awk '/^\* /{keep = / \.\.\. .*(NOTE|WARNING|ERROR)$/} keep' check.log
passed=$(grep -c '^\* checking .* OK$' check.log)
failed=$(grep -cE '^\* .*(WARNING|ERROR)$' check.log)
if [ $code -ne 0 ] && [ "$failed" -eq 0 ]; then
    tail -n 25 check.log
    failed=1
fi
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
