#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# client-r/man and NAMESPACE are what roxygen2 makes of client-r/R today.
#   documented.sh [ROOT]      exit 77 (skipped) when roxygen2 is absent or of another version than DESCRIPTION says
set -eu
top=${1:-$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)}
package=$top/client-r

command -v Rscript >/dev/null || { echo "documented: skipped, no R here"; exit 77; }
made_by=$(sed -n 's/^RoxygenNote: *//p' "$package/DESCRIPTION")
here=$(Rscript --vanilla -e 'cat(tryCatch(format(packageVersion("roxygen2")), error = function(e) "none"))')
if [ "$made_by" != "$here" ]; then
    echo "documented: skipped, the pages were made by roxygen2 '$made_by' and here is $here"
    exit 77
fi
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
cp -R "$package/R" "$package/man" "$package/DESCRIPTION" "$package/NAMESPACE" "$fresh"
said=$(sh "$package/tools/document.sh" "$fresh" 2>&1) || { printf '%s\n' "$said"; exit 1; }
if printf '%s\n' "$said" | grep -q '^[x✖]'; then
    printf '%s\n' "$said" "documented: roxygen2 complains about a comment in client-r/R"
    exit 1
fi
for name in man NAMESPACE DESCRIPTION; do
    if ! diff -ru "$package/$name" "$fresh/$name"; then
        echo "documented: client-r/$name is not current; run client-r/tools/document.sh"
        exit 1
    fi
done
pages=("$fresh"/man/*.Rd)
echo "documented: ${#pages[@]} pages are current"
